/** Compares an outcome with what a case expects of it. */

import type { Case, Expectation, Outcome } from "./case.ts";
import { deepEqual } from "./equal.ts";
import { judge, type Policies } from "./judge.ts";
import { patched } from "./patch.ts";

/** Judges a case and throws an error that names every miss, so that any test runner can show it. */
export async function check(policies: Policies, one: Case): Promise<Outcome> {
  const outcome = await judge(policies, one);
  const found = misses(outcome, one.expect ?? {}, one);
  if (found.length > 0) throw new Error([one.name ?? "the case", ...found].join("\n  "));
  return outcome;
}

/** What is not as it is expected to be. */
export function misses(outcome: Outcome, expected: Expectation, one: Case): string[] {
  const { message, fields, warnings, audit, patch, error, writes } = expected;
  const found: string[] = [];
  const same = (what: string, told: unknown, due: unknown) => {
    if (!deepEqual(told, due)) found.push(`${what}: expected ${shown(due)}, received ${shown(told)}`);
  };
  const contains = (what: string, told: readonly string[], part: string) => {
    if (!told.some((text) => text.includes(part)))
      found.push(`${what}: expected a part ${shown(part)}, received ${shown(told)}`);
  };
  if (expected.allowed !== undefined && expected.allowed !== outcome.allowed) {
    same("allowed", outcome.allowed, expected.allowed);
    if (outcome.message !== "") found.push(`message: ${outcome.message}`);
  }
  if (message !== undefined) contains("message", [outcome.message], message);
  if (fields !== undefined) same("fields", outcome.fields, fields);
  if (expected.code !== undefined) same("code", outcome.code, expected.code);
  if (expected.reason !== undefined) same("reason", outcome.reason, expected.reason);
  if (warnings !== undefined) {
    if (warnings.length !== outcome.warnings.length) same("warnings", outcome.warnings, warnings);
    else
      warnings.forEach((part, at) => {
        contains(`warnings[${String(at)}]`, [outcome.warnings[at] ?? ""], part);
      });
  }
  for (const [key, value] of Object.entries(audit ?? {})) {
    const told = Object.entries(outcome.audit).find(([name]) => name === key || name.endsWith(`.${key}`));
    same(`audit.${key}`, told?.[1], value);
  }
  if (Object.hasOwn(expected, "patched")) same("patched", outcome.object, expected.patched);
  if (patch !== undefined) same("patch", outcome.object, patched(one.request?.object ?? one.object, patch));
  if (error !== undefined)
    contains(
      "error",
      outcome.errors.map((failed) => failed.message),
      error,
    );
  if (writes !== undefined) {
    same("writes", outcome.writes.length, writes.length);
    writes.forEach((write, at) => {
      for (const [field, due] of Object.entries(write))
        same(`writes[${String(at)}].${field}`, Reflect.get(outcome.writes[at] ?? {}, field), due);
    });
  }
  return found;
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}
