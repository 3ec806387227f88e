/** The rules for policies, run by ESLint itself on what they are for. */

import { Linter } from "eslint";
import { expect, it } from "vitest";
import bylaw from "../src/eslint/index.ts";

/** The rules that a module breaks. */
function broken(code: string, file = "policies/index.js"): string[] {
  const found = new Linter().verify(code, structuredClone([]).concat(bylaw as never), file);
  return found.map(({ ruleId, message }) => ruleId ?? message);
}

it.each([
  ["a variable of the module", "let count = 0;", "bylaw/no-module-state"],
  ["one that is exported", "export var count = 0;", "bylaw/no-module-state"],
  [
    "a list that a handler adds to",
    "const seen = [];\nexport function validate() { seen.push(1); }",
    "bylaw/no-module-state",
  ],
  [
    "a map that a handler fills",
    "const seen = new Map();\nexport const f = () => seen.set(1, 2);",
    "bylaw/no-module-state",
  ],
  [
    "a field that a handler sets",
    "const state = {};\nexport const f = () => { state.a.b = 1; };",
    "bylaw/no-module-state",
  ],
  [
    "a counter in an object",
    "const state = { n: 0 };\nexport const f = () => { state.n++; };",
    "bylaw/no-module-state",
  ],
  [
    "a field that is deleted",
    "const state = { n: 0 };\nexport const f = () => { delete state.n; };",
    "bylaw/no-module-state",
  ],
  [
    "a regular expression that remembers",
    "const word = /a/g;\nexport const f = (t) => word.test(t);",
    "bylaw/no-stateful-regexp",
  ],
  [
    "a write that nobody awaits",
    "export const p = { validate({ create }) { create({}); } };",
    "bylaw/no-floating-call",
  ],
  [
    "one of the context",
    "export const p = { validate(context) { context.patch('v1/Pod', {}); } };",
    "bylaw/no-floating-call",
  ],
  ["await at the top", "await Promise.resolve();", "bylaw/no-top-level-await"],
  ["a module of Node.js", 'import fs from "node:fs";\nfs.a;', "no-restricted-imports"],
  ["the same without its scheme", 'import { readFile } from "fs/promises";\nreadFile;', "no-restricted-imports"],
  ["a global of Node.js", "export const f = () => process.env.HOME;", "no-restricted-globals"],
  ["a timer", "export const f = () => setTimeout(f, 1);", "no-restricted-globals"],
  ["code from text", 'export const f = () => new Function("return 1");', "no-new-func"],
])("finds %s", (_, code, rule) => {
  expect(broken(code)).toEqual([rule]);
});

it.each([
  ["constants", "const NAMES = Object.freeze(['a']);\nexport const f = () => NAMES.includes('a');"],
  ["state of a handler", "export function validate() { const seen = new Set(); seen.add(1); let n = 0; n += 1; }"],
  [
    "what is made while the module is loaded",
    "const table = new Map();\nfor (const n of [1, 2]) table.set(n, n);\nexport const f = () => table.get(1);",
  ],
  [
    "a name that a handler shadows",
    "const seen = [];\nexport const f = () => { const seen = []; seen.push(1); };\nseen.at(0);",
  ],
  [
    "what is awaited or handed on",
    "export const p = { async validate({ create, patch }) { await create({}); return patch('a', {}); } };",
  ],
  [
    "an update of something else",
    "import { hash } from './hash.js';\nexport const f = (text) => { hash.update(text); };",
  ],
  ["the draft", "export const p = { mutate({ object }) { object.spec.a = 1; } };"],
  ["a regular expression of a handler", "export const f = (text) => text.replace(/a/g, 'b');"],
])("has nothing against %s", (_, code) => {
  expect(broken(code)).toEqual([]);
});

it("leaves tests and the configuration of tools alone", () => {
  expect(broken("let a = process.env.A;", "policies/index.test.js")).toEqual([]);
  expect(broken("let a = process.env.A;", "vitest.config.js")).toEqual([]);
});
