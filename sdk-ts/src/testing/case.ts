/** A case: what is asked of a policy, and what is expected of the answer. The same fields as in `cases/*.yaml`. */

import type {
  Amounts,
  DeepReadonly,
  FetchOptions,
  KubernetesObject,
  Operation,
  Request,
  Tenant,
  User,
  Vantage,
} from "../context.ts";

/** Something that Kubernetes would send. A type of `@bylaw/sdk/k8s` fits, and so does a literal. */
export type Manifest = DeepReadonly<KubernetesObject> | object;

export interface FetchAnswer {
  /** 200 by default. */
  status?: number;
  headers?: Record<string, string>;
  body?: string;
}

export interface Case {
  name?: string;
  /** The object asked for. On DELETE it may stand for `oldObject`. */
  object?: Manifest | null;
  /** The object as it is now; with one, the operation is UPDATE unless said otherwise. */
  oldObject?: Manifest | null;
  /** A whole AdmissionRequest, in place of `object` and the like. */
  request?: Partial<Request>;
  operation?: Operation;
  /** The name of who asks, or all that is known of them; `kubernetes-admin` by default. */
  user?: string | User;
  groups?: readonly string[];
  /** The namespace, or its labels as well. */
  namespace?: string | { name?: string; labels?: Record<string, string> };
  parameters?: Record<string, unknown>;
  vantage?: Vantage;
  tenant?: Partial<Tenant>;
  /** Objects that `get` and `list` see, and namespaces with their labels. */
  inventory?: readonly Manifest[];
  /** What other requests have reserved already: amounts, or names and whose they are. */
  ledger?: readonly { key: string; amounts?: Amounts; names?: readonly string[]; owner?: string }[];
  /** What `now` and `Date.now()` say. */
  now?: string | number | Date;
  dryRun?: boolean;
  expect?: Expectation;

  // What only these fakes have: in a cluster the world answers.

  /** Environment variables that `env` sees, with permission. */
  env?: Record<string, string>;
  /** Files that `readFile` sees, with permission. */
  files?: Record<string, string>;
  /** Answers `fetch`, with permission. */
  fetch?: (url: string, options: FetchOptions) => FetchAnswer | Promise<FetchAnswer>;
  /** What CEL would make of `match.matchConditions`, by their names: there is no CEL here. */
  conditions?: Record<string, boolean>;
}

export interface Expectation {
  allowed?: boolean;
  /** A part of the message. */
  message?: Text;
  /** The fields that denials name, in order. */
  fields?: readonly string[];
  code?: number;
  reason?: string;
  /** Parts of the warnings, one for each. */
  warnings?: readonly string[];
  /** Annotations, by `policy.key` or by the key that the policy gave. */
  audit?: Record<string, string>;
  /** The whole object after mutation. */
  patched?: unknown;
  /** RFC 6902: what it makes of the object. */
  patch?: readonly PatchOperation[];
  /** A part of the error of a policy that fails. Without it an error is a miss, whatever else is expected. */
  error?: Text;
  writes?: readonly Partial<Write>[];
}

/** A part of a text, several parts, or the whole. */
export type Text = string | { contains: string | readonly string[] } | { equals: string };

export interface PatchOperation {
  op: "add" | "remove" | "replace" | "test" | "move" | "copy";
  path: string;
  from?: string;
  value?: unknown;
}

/** What a policy wrote; nothing of it happens. */
export interface Write {
  op: "create" | "update" | "patch" | "apply" | "remove";
  apiVersion: string;
  kind: string;
  namespace?: string;
  name?: string;
  object?: unknown;
  patch?: unknown;
  dryRun: boolean;
}

export interface Cause {
  message: string;
  field?: string;
  reason?: string;
}

/** What the API server would be told. */
export interface Outcome {
  allowed: boolean;
  /** `[policy] message`, joined by `; `; empty where it is allowed. */
  message: string;
  code?: number;
  reason?: string;
  causes: Cause[];
  /** The fields among the causes. */
  fields: string[];
  warnings: string[];
  audit: Record<string, string>;
  /** The object as mutating policies left it, the one asked for where they left it alone or the request is denied. */
  object: unknown;
  /** Whether the answer has a patch. */
  changed: boolean;
  /** Names of the policies that matched, in the order in which they ran; one that mutates and validates is there twice. */
  matched: string[];
  /** Policies that failed: in a cluster each decides by its `onError`. */
  errors: { policy: string; message: string }[];
  writes: Write[];
  logs: string[];
}
