/** The corpus that `tests/policies` puts to the engine, put to the fakes: each case says the verdict that both must give. */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { COPY, ENGINE, QUOTA, QUOTA_COPY, rendered, renderedQuota } from "../scripts/engine.ts";
import { judge, misses, type Policies } from "../src/testing/index.ts";
import { casesIn } from "./support/cases.ts";

const corpus = fileURLToPath(new URL("../../tests/policies/corpus", import.meta.url));

it("the fakes run the engine's own code: `npm run engine` copies it anew", () => {
  expect(readFileSync(COPY, "utf8")).toBe(rendered(readFileSync(ENGINE, "utf8")));
  expect(readFileSync(QUOTA_COPY, "utf8")).toBe(renderedQuota(readFileSync(QUOTA, "utf8")));
});

describe.each(readdirSync(corpus))("%s", async (topic) => {
  const folder = join(corpus, topic);
  const module = (await import(pathToFileURL(join(folder, "policy.ts")).href)) as Extract<
    Policies,
    { default: unknown }
  >;

  it.each(casesIn(folder).map((one) => [one.name, one] as const))("%s", async (_, one) => {
    expect(misses(await judge(module, one), one.expect ?? {}, one)).toEqual([]);
  });
});
