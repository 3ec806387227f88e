/** Compares an outcome with what a case expects of it. */

import type { KubernetesObject } from "../context.ts";
import type { Case, Expectation, Outcome, Text } from "./case.ts";
import { copy, deepEqual, shown } from "./json.ts";
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
  const fits = (what: string, told: string, due: Text) => {
    const parts = typeof due === "string" ? [due] : "contains" in due ? [due.contains].flat() : undefined;
    const isFit =
      parts === undefined ? told === (due as { equals: string }).equals : parts.every((part) => told.includes(part));
    if (!isFit) found.push(`${what}: expected ${shown(due)}, received ${shown(told)}`);
  };
  const contains = (what: string, told: readonly string[], part: string) => {
    if (!told.some((text) => text.includes(part)))
      found.push(`${what}: expected a part ${shown(part)}, received ${shown(told)}`);
  };
  if (expected.allowed !== undefined && expected.allowed !== outcome.allowed) {
    same("allowed", outcome.allowed, expected.allowed);
    if (outcome.message !== "") found.push(`message: ${outcome.message}`);
  }
  const errors = outcome.errors.map((failed) => failed.message).join("; ");
  if (error !== undefined) fits("error", errors, error);
  else if (errors !== "") found.push(`error: expected none, received ${shown(errors)}`);
  if (message !== undefined) fits("message", outcome.message, message);
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
    const wanted = key.replaceAll("/", ".");
    const told = Object.entries(outcome.audit).find(([name]) => name === wanted || name.endsWith(`.${wanted}`));
    same(`audit.${key}`, told?.[1], value);
  }
  const object = withoutFilled(outcome.object, one);
  if (Object.hasOwn(expected, "patched")) same("patched", object, expected.patched);
  if (patch !== undefined) same("patch", object, patched(one.request?.object ?? one.object, patch));
  if (writes !== undefined) {
    same("writes", outcome.writes.length, writes.length);
    writes.forEach((write, at) => {
      for (const [field, due] of Object.entries(write))
        same(`writes[${String(at)}].${field}`, Reflect.get(outcome.writes[at] ?? {}, field), due);
    });
  }
  return found;
}

/** An object that left its namespace out comes back without it. */
function withoutFilled(object: unknown, one: Case): unknown {
  const asked = one.object as KubernetesObject | null | undefined;
  if (typeof object !== "object" || object === null || !asked || asked.metadata?.namespace !== undefined) return object;
  const { metadata, ...rest } = copy(object) as KubernetesObject;
  if (metadata === undefined) return object;
  delete metadata.namespace;
  return { ...rest, metadata };
}
