/** What the npm package holds, and what its parts cost a policy that uses them. */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));
const entry = fileURLToPath(new URL("../src/index.ts", import.meta.url));

interface Packed {
  files: { path: string; size: number }[];
  unpackedSize: number;
}

/** `npm pack --dry-run`, which builds it first. */
function packed(): Packed {
  const out = execFileSync("npm", ["pack", "--dry-run", "--json"], {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const told = JSON.parse(out.slice(out.search(/^[[{]/m))) as Packed[] | Record<string, Packed>;
  const first = Object.values(told)[0];
  if (first === undefined) throw new Error(out);
  return first;
}

it("is what its exports name, and no sources, tests or tools", () => {
  const { files, unpackedSize } = packed();
  const paths = files.map(({ path }) => path);
  const { exports } = JSON.parse(readFileSync(`${folder}package.json`, "utf8")) as {
    exports: Record<string, string | { types: string; default?: string }>;
  };
  for (const of of Object.values(exports)) {
    for (const path of typeof of === "string" ? [of] : [of.types, of.default ?? of.types]) {
      expect(paths).toContain(path.replace("./", "").replace("*", "core/v1"));
    }
  }
  const known =
    /^(?:dist\/(?:src|k8s)\/.+\.(?:js|d\.ts)|snippets\/bylaw\.code-snippets|globals\.d\.ts|package\.json|README\.md|LICENSE)$/;
  expect(paths.filter((path) => !known.test(path))).toEqual([]);
  expect(unpackedSize).toBeLessThan(420_000);
  expect(existsSync(`${folder}dist/src/testing/engine.js`)).toBe(true);
}, 120_000);

it("runs under `node --test` as well", () => {
  const text = `
    import { test } from "node:test";
    import { policy } from "@bylaw/sdk";
    import { check } from "@bylaw/sdk/testing";
    import eslint from "@bylaw/sdk/eslint";
    const denies = policy({ name: "a.b.example.com", match: { resources: ["pods"] }, validate: ({ deny }) => deny("no") });
    const object = { apiVersion: "v1", kind: "Pod", metadata: { name: "a" } };
    test("it denies", () => check(denies, { object, expect: { allowed: false, message: "no" } }));
    test("it does not allow", async (t) => {
      const miss = await check(denies, { object, expect: { allowed: true } }).then(() => "", String);
      t.assert?.ok(miss.includes("allowed: expected true"));
      if (!miss.includes("allowed: expected true") || eslint.length !== 1) throw new Error(miss);
    });`;
  // A package may import itself by its name.
  const file = join(folder, "dist", `self-${String(process.pid)}.test.mjs`);
  try {
    writeFileSync(file, text);
    const env = { PATH: process.env["PATH"] };
    expect(execFileSync(process.execPath, ["--test", file], { encoding: "utf8", env })).toMatch(/pass 2\n/);
  } finally {
    rmSync(file, { force: true });
  }
});

/** A policy that uses these names of the SDK, bundled and shaken as for the engine. */
async function sizeOf(names: string): Promise<number> {
  const text = `import { ${names} } from "@bylaw/sdk"; console.log(${names});`;
  const build = await rolldown({
    input: "virtual",
    platform: "neutral",
    resolve: { alias: { "@bylaw/sdk": entry } },
    plugins: [
      {
        name: "virtual",
        resolveId: (id) => (id === "virtual" ? id : null),
        load: (id) => (id === "virtual" ? { code: text, moduleType: "ts" } : null),
      },
    ],
  });
  const { output } = await build.generate({ format: "esm", minify: true });
  return output[0].code.length;
}

// In bytes, minified: a tenth more than they are.
it.each([
  ["policy", 2_850],
  ["containers", 860],
  ["image", 2_450],
  ["quantity", 2_600],
  ["duration", 2_100],
  ["selector", 1_980],
  ["cidr", 3_000],
  ["semver", 5_200],
  ["podSecurity", 16_400],
  ["policy, containers, image, quantity, duration, selector, cidr, semver, podSecurity", 32_800],
])("%s keeps within its budget", async (names, budget) => {
  expect(await sizeOf(names)).toBeLessThan(budget);
});
