/**
 * Writes down which intrinsics the npm package `ses` freezes, for the engine's own test that they are frozen in its
 * realms too (`src/isolate/tests/intrinsics.rs`).
 *
 *   npm run intrinsics
 */

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** An intrinsic's properties by name; what is no property that stays is `false`. */
type Permit = Record<string, unknown>;

export const INTRINSICS = fileURLToPath(new URL("../../src/isolate/tests/intrinsics.json", import.meta.url));

/** The package does not export its list, which is the best-kept one of all that ECMAScript has. */
const LIST = new URL("../node_modules/ses/src/permits.js", import.meta.url);

/** Every intrinsic that `ses` keeps, with the names of the properties that it keeps. */
export async function sesIntrinsics(): Promise<Record<string, string[]>> {
  const { permitted } = (await import(LIST.href)) as { permitted: Record<string, Permit | boolean | null> };
  const kept = Object.entries(permitted).filter(([name, permit]) => name !== "[[Proto]]" && typeof permit === "object");
  const properties = (permit: Permit | boolean | null) =>
    Object.entries(permit as Permit).flatMap(([key, value]) => (value === false || key === "[[Proto]]" ? [] : [key]));
  return Object.fromEntries(kept.map(([name, permit]) => [name, properties(permit).sort()]));
}

/** One intrinsic a line, so that a change of the package reads well. */
export function rendered(intrinsics: Record<string, string[]>): string {
  const lines = Object.keys(intrinsics)
    .sort()
    .map((name) => `  ${JSON.stringify(name)}: ${JSON.stringify(intrinsics[name])}`);
  return `{\n${lines.join(",\n")}\n}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(INTRINSICS, rendered(await sesIntrinsics()));
