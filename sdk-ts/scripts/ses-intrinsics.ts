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

const inEngine = (name: string) => fileURLToPath(new URL(`../../src/isolate/tests/${name}`, import.meta.url));

/** What is frozen. */
export const INTRINSICS = inEngine("intrinsics.json");
/** What may be assigned all the same on an object that inherits from it, because npm packages do. */
export const OVERRIDES = inEngine("overrides.json");

/** The package does not export its lists, which are the best-kept ones of all that there is. */
const LIST = new URL("../node_modules/ses/src/permits.js", import.meta.url);
const ENABLEMENTS = new URL("../node_modules/ses/src/enablements.js", import.meta.url);

/** Every intrinsic that `ses` keeps, with the names of the properties that it keeps. */
export async function sesIntrinsics(): Promise<Record<string, string[]>> {
  const { permitted } = (await import(LIST.href)) as { permitted: Record<string, Permit | boolean | null> };
  const kept = Object.entries(permitted).filter(([name, permit]) => name !== "[[Proto]]" && typeof permit === "object");
  const properties = (permit: Permit | boolean | null) =>
    Object.entries(permit as Permit).flatMap(([key, value]) => (value === false || key === "[[Proto]]" ? [] : [key]));
  return Object.fromEntries(kept.map(([name, permit]) => [name, properties(permit).sort()]));
}

/** The properties of intrinsics that packages in use were seen to override; of one marked `*`, all that it has. */
export async function sesOverrides(): Promise<Record<string, string[]>> {
  const { moderateEnablements } = (await import(ENABLEMENTS.href)) as {
    moderateEnablements: Record<string, "*" | Record<string | symbol, true>>;
  };
  const intrinsics = await sesIntrinsics();
  const named = (key: string | symbol) =>
    typeof key === "string" ? key : `@@${String(key.description).replace("Symbol.", "")}`;
  return Object.fromEntries(
    Object.entries(moderateEnablements).map(([name, keys]) => [
      name,
      keys === "*" ? (intrinsics[name] ?? []) : Reflect.ownKeys(keys).map(named).sort(),
    ]),
  );
}

/** One intrinsic a line, so that a change of the package reads well. */
export function rendered(intrinsics: Record<string, string[]>): string {
  const lines = Object.keys(intrinsics)
    .sort()
    .map((name) => `  ${JSON.stringify(name)}: ${JSON.stringify(intrinsics[name])}`);
  return `{\n${lines.join(",\n")}\n}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(INTRINSICS, rendered(await sesIntrinsics()));
  writeFileSync(OVERRIDES, rendered(await sesOverrides()));
}
