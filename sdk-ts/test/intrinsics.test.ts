/** The list that the engine's lockdown is tested against is what the installed `ses` says, and what it does. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { INTRINSICS, OVERRIDES, rendered, sesIntrinsics, sesOverrides } from "../scripts/ses-intrinsics.ts";

it("the committed lists are those of ses: `npm run intrinsics` writes them anew", async () => {
  expect(readFileSync(INTRINSICS, "utf8")).toBe(rendered(await sesIntrinsics()));
  expect(readFileSync(OVERRIDES, "utf8")).toBe(rendered(await sesOverrides()));
});

it("ses freezes what the list names", () => {
  const names = Object.keys(JSON.parse(readFileSync(INTRINSICS, "utf8")) as Record<string, string[]>);
  const walk = `
    import "ses";
    lockdown();
    const loose = [];
    let found = 0;
    for (const name of ${JSON.stringify(names)}) {
      const owner = /^%(\\w+)Prototype%$/.exec(name)?.[1];
      const value = owner === undefined ? globalThis[name] : globalThis[owner]?.prototype;
      if (typeof value !== "function" && typeof value !== "object") continue;
      found += 1;
      if (!Object.isFrozen(value)) loose.push(name);
    }
    console.log(JSON.stringify({ found, loose }));`;
  const folder = fileURLToPath(new URL("..", import.meta.url));
  const told = execFileSync(process.execPath, ["--input-type=module", "--eval", walk], {
    cwd: folder,
    encoding: "utf8",
  });
  const { found, loose } = JSON.parse(told) as { found: number; loose: string[] };
  expect(loose).toEqual([]);
  expect(found).toBeGreaterThan(80);
});
