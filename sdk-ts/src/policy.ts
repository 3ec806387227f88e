/** `policy({…})`: what a policy is, checked when it is loaded and not when the first request comes. */

import type {
  DeepReadonly,
  KubernetesObject,
  LabelSelector,
  MutateContext,
  Operation,
  ReconcileContext,
  ValidateContext,
  Vantage,
} from "./context.ts";

/** Which requests a policy wants to see. Empty or absent lists of groups and versions mean all of them. */
export interface Match {
  /** Plural names, lower case: `pods`, `pods/log`, `pods/*`, `*`. */
  resources?: string[];
  /** All by default. */
  operations?: Operation[];
  apiGroups?: string[];
  apiVersions?: string[];
  /** Both by default. */
  scope?: "Cluster" | "Namespaced" | "*";
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
  /** CEL expressions over `object`, `oldObject`, `request`; all must be true. */
  matchConditions?: { name: string; expression: string }[];
  /** Which API server must ask; both by default. */
  vantage?: Vantage | "both";
  /**
   * Names of tenants (of a virtual cluster also `NAMESPACE/NAME` and its owner's), or a selector on their labels; all by
   * default. What belongs to no tenant is no tenant's.
   */
  tenants?: string[] | LabelSelector;
  /** User names, exact or ending in `*`; `group:NAME` for everyone in a group. */
  excludeUsers?: string[];
  /** Also judge the pod templates of Deployment, StatefulSet, Job and their like, as if they were pods. */
  workloads?: boolean;
  matchPolicy?: "Exact" | "Equivalent";
}

/** What a policy may ask of the world. Nothing by default. */
export interface Permissions {
  /** Kinds that `get` and `list` may read: `v1/ConfigMap`, `apps/v1/*`. */
  read?: string[];
  /** Kinds that may be created, updated, patched, removed. */
  write?: string[];
  /** Hosts that `fetch` may reach: `host`, `host:port`, `*.example.com`. */
  net?: string[];
  /** Names of environment variables. */
  env?: string[];
  /** Paths of files, or folders ending in `/`. */
  files?: string[];
  /** Keys under which `quota.reserve` and `quota.claim` may ask: `hosts`, `namespaces/*`. */
  quota?: string[];
  /** `eval` and `new Function`, as ajv's own compiler needs them. The policy then runs in a realm of its own each time. */
  codegen?: boolean;
  /**
   * The ServiceAccount that reads and writes in the cluster instead of Bylaw, so that the policy can do no more than it:
   * `name` in Bylaw's own namespace, or `namespace/name`.
   */
  serviceAccount?: string;
}

/** The part of JSON Schema that parameters need; `default` fills what a cluster leaves out. */
export interface JsonSchema {
  type?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  enum?: unknown[];
  default?: unknown;
  additionalProperties?: boolean | JsonSchema;
  [keyword: string]: unknown;
}

export interface PolicyMetadata {
  /**
   * A DNS name of at least three parts: `no-privileged.pods.example.com`. May be left out in a `JsPolicy` object, whose
   * `metadata.name` stands over it.
   */
  name?: string;
  title?: string;
  description?: string;
  category?: string;
  severity?: "info" | "low" | "medium" | "high" | "critical";
  match?: Match;
  parameters?: { schema: JsonSchema };
  permissions?: Permissions;
  /** Order of mutating policies, lower first, then by name; 0 by default. */
  priority?: number;
  /** What a denial does: refuse (default), warn the client, or nothing. */
  enforcement?: "Deny" | "Warn" | "Dry";
  /** What a request gets when the policy itself fails; `Deny` by default. */
  onError?: "Deny" | "Allow";
  /** Longest time one run may take, from 1 to 30. */
  timeoutSeconds?: number;
  /**
   * What the policy shares with others: `Shared`, the default and the fastest, a realm; `Fresh` an isolate, but each run
   * has a realm of its own; `Dedicated` a process; `Process` nothing, it runs in a process of its own.
   */
  isolation?: "Shared" | "Fresh" | "Dedicated" | "Process";
  /**
   * On a host of vClusters: a change of a synced object that would break its syncing is refused, and others that do not
   * last are warned of, unless this says `Allow`.
   */
  hostMutations?: "Refuse" | "Allow";
}

/** A handler says what it has to say by `deny`, `warn`, `audit` or by editing the draft; it returns nothing. */
export interface Admission<Obj, Parameters> {
  validate?(context: ValidateContext<Obj, Parameters>): void | Promise<void>;
  mutate?(context: MutateContext<Obj, Parameters>): void | Promise<void>;
  reconcile?: never;
}

export interface Reconciliation<Obj, Parameters> {
  reconcile(context: ReconcileContext<Obj, Parameters>): void | Promise<void>;
  validate?: never;
  mutate?: never;
}

export type PolicyDefinition<Obj = KubernetesObject, Parameters = Record<string, unknown>> = PolicyMetadata &
  (Admission<Obj, Parameters> | Reconciliation<Obj, Parameters>);

/** A checked and frozen definition. */
export type Policy<Obj = KubernetesObject, Parameters = Record<string, unknown>> = DeepReadonly<PolicyMetadata> &
  Readonly<Admission<Obj, Parameters> | Reconciliation<Obj, Parameters>>;

const HANDLERS = ["validate", "mutate", "reconcile"] as const;

/** Each field and how its value is told from a wrong one. */
const FIELDS: Readonly<Record<string, (value: unknown, field: string) => void>> = Object.freeze({
  name: dnsName,
  title: isA("string"),
  description: isA("string"),
  category: isA("string"),
  severity: oneOf("info", "low", "medium", "high", "critical"),
  match: record({
    resources: strings,
    operations: strings,
    apiGroups: strings,
    apiVersions: strings,
    scope: oneOf("Cluster", "Namespaced", "*"),
    namespaceSelector: isA("object"),
    objectSelector: isA("object"),
    matchConditions: isA("array"),
    vantage: oneOf("host", "virtual", "both"),
    tenants: () => undefined,
    excludeUsers: strings,
    workloads: isA("boolean"),
    matchPolicy: oneOf("Exact", "Equivalent"),
  }),
  parameters: record({ schema: isA("object") }),
  permissions: record({
    read: strings,
    write: strings,
    net: strings,
    env: strings,
    files: strings,
    quota: strings,
    codegen: isA("boolean"),
    serviceAccount: isA("string"),
  }),
  priority: integer(-2147483648, 2147483647),
  enforcement: oneOf("Deny", "Warn", "Dry"),
  onError: oneOf("Deny", "Allow"),
  timeoutSeconds: integer(1, 30),
  isolation: oneOf("Shared", "Fresh", "Dedicated", "Process"),
  hostMutations: oneOf("Refuse", "Allow"),
  validate: isA("function"),
  mutate: isA("function"),
  reconcile: isA("function"),
});

/**
 * Declares a policy; the module's default export is what this returns, or an array of them.
 *
 * @throws TypeError that names the field and the mend.
 */
export function policy<Obj = KubernetesObject, Parameters = Record<string, unknown>>(
  definition: PolicyDefinition<Obj, Parameters>,
): Policy<Obj, Parameters> {
  if (typeOf(definition) !== "object") {
    throw new TypeError(`policy(): expects an object such as { name, match, validate }, not ${typeOf(definition)}`);
  }
  record(FIELDS)(definition, "");
  const handlers = HANDLERS.filter((handler) => definition[handler] !== undefined);
  if (handlers.length === 0) {
    throw new TypeError("policy(): no handler: add `validate({ object, deny }) { … }`, or `mutate`, or `reconcile`");
  }
  if (definition.reconcile !== undefined && handlers.length > 1) {
    const others = handlers.filter((handler) => handler !== "reconcile").join("` and `");
    throw new TypeError(`policy(): \`reconcile\` stands alone: move \`${others}\` to a policy of its own`);
  }
  return freezeDeep(definition);
}

type Check = (value: unknown, field: string) => void;

function typeOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
}

function wrong(field: string, mend: string): TypeError {
  return new TypeError(`policy(): \`${field}\` ${mend}`);
}

function isA(type: string): Check {
  return (value, field) => {
    if (typeOf(value) !== type) throw wrong(field, `must be of type ${type}, not ${typeOf(value)}`);
  };
}

function oneOf(...values: string[]): Check {
  return (value, field) => {
    if (!values.includes(value as string)) throw wrong(field, `must be one of ${values.join(", ")}`);
  };
}

function integer(least: number, most: number): Check {
  return (value, field) => {
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
      throw wrong(field, `must be a whole number from ${String(least)} to ${String(most)}`);
    }
  };
}

function strings(value: unknown, field: string): void {
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
    throw wrong(field, "must be an array of strings");
  }
}

/** An object that has these fields, or some of them, and no others. */
function record(fields: Readonly<Record<string, Check>>): Check {
  return (value, field) => {
    isA("object")(value, field);
    for (const [key, item] of Object.entries(value as object)) {
      const path = field === "" ? key : `${field}.${key}`;
      const check = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (check === undefined) throw wrong(path, `is not known: expected one of ${Object.keys(fields).join(", ")}`);
      if (item !== undefined) check(item, path);
    }
  };
}

/** The API server's own rule for a name (RFC 1123 subdomain), and jsPolicy's three parts for a webhook's. */
function dnsName(value: unknown, field: string): void {
  isA("string")(value, field);
  const labels = (value as string).split(".");
  const valid = (label: string) => label.length <= 63 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(label);
  if (labels.length < 3 || (value as string).length > 253 || !labels.every(valid)) {
    throw wrong(
      field,
      `${JSON.stringify(value)} must be a DNS name of at least three parts, such as "no-privileged.pods.example.com"`,
    );
  }
}

function freezeDeep<T>(value: T): T {
  if ((typeof value === "object" && value !== null) || typeof value === "function") {
    if (Object.isFrozen(value)) return value;
    Object.freeze(value);
    for (const item of Object.values(value)) freezeDeep(item);
  }
  return value;
}
