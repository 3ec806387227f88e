/** Runs the cases of a starter policy the short way: no matching on users or namespaces, no cluster. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { runInNewContext } from "node:vm";
import { parseAllDocuments } from "yaml";
import { selector, type KubernetesObject, type Operation, type Policy } from "../../src/index.ts";

export interface Case {
  name: string;
  object?: KubernetesObject;
  oldObject?: KubernetesObject;
  operation?: Operation;
  user?: string;
  parameters?: Record<string, unknown>;
  expect: {
    allowed: boolean;
    message?: string;
    fields?: string[];
    code?: number;
    reason?: string;
    patched?: unknown;
    patch?: { op: string; path: string; value?: unknown }[];
  };
}

export interface Denial {
  message: string;
  field?: string | undefined;
  reason?: string | undefined;
  code?: number | undefined;
}

export interface Outcome {
  denials: Denial[];
  /** The object after a mutating policy. */
  object: unknown;
}

interface JsPolicy {
  spec: { operations: string[]; resources: string[]; javascript: string };
}

type AnyPolicy = Policy;
type Validate = (context: object) => void | Promise<void>;

export function casesIn(folder: string): Case[] {
  const files = readdirSync(join(folder, "cases")).filter((file) => file.endsWith(".yaml"));
  return files.flatMap((file) =>
    parseAllDocuments(readFileSync(join(folder, "cases", file), "utf8")).map((document) => document.toJS() as Case),
  );
}

export async function run(policy: AnyPolicy, one: Case): Promise<Outcome> {
  const { object = null, oldObject = null, operation = "CREATE" } = one;
  const outcome: Outcome = { denials: [], object: structuredClone(object) };
  const { resource, template } = placeOf(object ?? oldObject);
  const { match = {} } = policy;
  const isWorkload = template !== undefined && match.workloads === true;
  if (match.operations?.includes(operation) !== true) return outcome;
  if (!isWorkload && match.resources?.includes(resource) !== true) return outcome;
  const selects = selector(match.objectSelector ?? {});
  if (![object, oldObject].some((side) => side !== null && selects.matches(side.metadata?.labels))) return outcome;

  const prefix = isWorkload ? `${template.join(".")}.` : "";
  const podOf = (workload: unknown) =>
    template?.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], workload);
  const context = {
    object: freezeDeep(isWorkload ? podOf(object) : object),
    oldObject: freezeDeep(oldObject),
    operation,
    user: { username: one.user ?? "kubernetes-admin" },
    namespace: namespaceOf(object ?? oldObject),
    request: { operation, kind: { kind: (object ?? oldObject)?.kind } },
    parameters: freezeDeep({ ...defaultsOf(policy), ...one.parameters }),
    deny: (message: string, { field, ...rest }: Omit<Denial, "message"> = {}) => {
      outcome.denials.push({ message, field: field === undefined ? undefined : prefix + field, ...rest });
    },
  };
  await (policy.validate as Validate | undefined)?.(context);
  await (policy.mutate as Validate | undefined)?.({ ...context, object: outcome.object });
  return outcome;
}

/** A classic script with the globals that jsPolicy gives it, as far as the starter set needs them. */
export function runScript({ spec }: JsPolicy, one: Case): Outcome {
  const outcome: Outcome = { denials: [], object: one.object };
  const { operation = "CREATE", object } = one;
  if (!spec.operations.includes(operation) || !spec.resources.includes(placeOf(object).resource)) return outcome;
  const deny = (message: string, reason?: string, code?: number) => outcome.denials.push({ message, reason, code });
  runInNewContext(spec.javascript, { request: { operation, object }, deny });
  return outcome;
}

/** Whether two objects differ by just these `add`s. */
export function isPatchedBy(before: unknown, after: unknown, patch: NonNullable<Case["expect"]["patch"]>): boolean {
  const patched: unknown = structuredClone(before);
  for (const { op, path, value } of patch) {
    const keys = path.split("/").slice(1);
    const last = keys.pop();
    if (op !== "add" || last === undefined) throw new Error(`cannot apply ${op} ${path}`);
    const parent = keys.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], patched);
    (parent as Record<string, unknown>)[last] = value;
  }
  return isDeepStrictEqual(patched, after);
}

function placeOf(object: KubernetesObject | null | undefined): { resource: string; template?: string[] } {
  const kind = object?.kind ?? "";
  const resource = `${kind.toLowerCase()}s`;
  if (kind === "CronJob") return { resource, template: ["spec", "jobTemplate", "spec", "template"] };
  const makesPods = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"].includes(kind);
  return makesPods ? { resource, template: ["spec", "template"] } : { resource };
}

function namespaceOf(object: KubernetesObject | null | undefined): { name: string } | undefined {
  const name = object?.metadata?.namespace;
  return name === undefined ? undefined : { name };
}

function defaultsOf(policy: AnyPolicy): Record<string, unknown> {
  const properties = Object.entries(policy.parameters?.schema.properties ?? {});
  return Object.fromEntries(properties.map(([name, schema]) => [name, schema.default]));
}

function freezeDeep<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(freezeDeep);
  return value;
}
