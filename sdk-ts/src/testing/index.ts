/**
 * Policies under any test runner (vitest, `node --test`), with the verdicts that the engine would give.
 *
 * ```ts
 * import { check } from "@bylaw/sdk/testing";
 * import policy from "./index.ts";
 *
 * test("an unknown registry is denied", () =>
 *   check(policy, { object: pod, expect: { allowed: false, fields: ["spec.containers[0].image"] } }));
 * ```
 */

export type { Case, Cause, Expectation, FetchAnswer, Manifest, Outcome, PatchOperation, Write } from "./case.ts";
export { check, misses } from "./expect.ts";
export { judge, reconcile, type AnyPolicy, type Policies, type Reconciled } from "./judge.ts";
