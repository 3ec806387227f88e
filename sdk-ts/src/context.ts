/** What a handler is given: types only, the engine makes the values. */

import type { QuantityLike } from "./quantity.ts";

/** `T` as a policy sees it: nothing in it can be changed. */
export type DeepReadonly<T> = T extends (...values: never[]) => unknown
  ? T
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** The least that every Kubernetes object has; the default type of `object`. */
export interface KubernetesObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  [field: string]: unknown;
}

export interface ObjectMeta {
  name?: string;
  generateName?: string;
  namespace?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  [field: string]: unknown;
}

/** `metav1.LabelSelector`. */
export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: LabelSelectorRequirement[];
}

export interface LabelSelectorRequirement {
  key: string;
  operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  values?: string[];
}

export type Operation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
export type Vantage = "host" | "virtual";

export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

export interface GroupVersionResource {
  group: string;
  version: string;
  resource: string;
}

/** Who asks: `authentication.k8s.io/v1` UserInfo. */
export interface User {
  username?: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
}

/** `admission.k8s.io/v1` AdmissionRequest, objects included. */
export interface Request<Obj = KubernetesObject> {
  uid: string;
  kind: GroupVersionKind;
  resource: GroupVersionResource;
  subResource?: string;
  requestKind?: GroupVersionKind;
  requestResource?: GroupVersionResource;
  requestSubResource?: string;
  /** Empty or absent where the server is to choose it (`generateName`). */
  name?: string;
  namespace?: string;
  operation: Operation;
  userInfo: User;
  /** `null` on DELETE. */
  object: Obj | null;
  /** `null` on CREATE and CONNECT. */
  oldObject: Obj | null;
  dryRun?: boolean;
  options: KubernetesObject | null;
}

/** The namespace of the object. */
export interface Namespace {
  name: string;
  labels: Record<string, string>;
  annotations?: Record<string, string>;
}

/** Set when the Pod that a policy judges came out of a workload (`match.workloads`). */
export interface Template {
  /** The workload's kind, such as `Deployment`. */
  kind: string;
  /** Empty or absent where the server is to choose it. */
  name?: string;
  /** Where the pod template is, such as `spec.template`. Fields given to `deny` are put under it. */
  path: string;
}

/** Whose object it is. */
export interface Tenant {
  kind: "vcluster" | "namespaces" | "none";
  /** Whether the requester proved to be who may speak for the tenant. */
  trusted: boolean;
  name: string;
  namespace: string;
  vcluster?: { name: string; namespace: string; version: string };
  owner?: string;
  labels: Record<string, string>;
  parameters: Record<string, unknown>;
  /** What its `Tenant` object allows it in all of its places together. */
  quotas?: Record<string, string | number>;
}

export interface DenyOptions {
  /** What is wrong, as a JSON path: `spec.containers[0].image`. */
  field?: string | undefined;
  /** `metav1.StatusReason`; `Forbidden` by default. */
  reason?: string | undefined;
  /** HTTP status from 400 to 599; 403 by default. */
  code?: number | undefined;
}

export interface ListOptions {
  /** All namespaces by default. */
  namespace?: string | undefined;
  selector?: LabelSelector | string | undefined;
  /** Field paths and the values they must have, looked up in an index: `{"spec.host": "example.com"}`. */
  index?: Record<string, string> | undefined;
}

export interface FetchOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

export interface FetchResponse {
  readonly status: number;
  readonly statusText: string;
  readonly ok: boolean;
  readonly headers: Readonly<Record<string, string>>;
  text(): Promise<string>;
  json(): Promise<unknown>;
}

/** Asking the cluster and the world. Each needs its line in `permissions`, and throws an error that says so. */
export interface Host {
  /** An object from memory, `undefined` where there is none. Needs `permissions.read`. */
  readonly get: <T = KubernetesObject>(
    kind: string,
    at: { namespace?: string | undefined; name: string },
  ) => DeepReadonly<T> | undefined;
  /** Objects from memory, an empty array where there are none. Needs `permissions.read`. */
  readonly list: <T = KubernetesObject>(kind: string, options?: ListOptions) => readonly DeepReadonly<T>[];
  /** These five need `permissions.write`. On a dry run the API server judges them and keeps nothing. */
  readonly create: <T extends object>(object: T) => Promise<T>;
  readonly update: <T extends object>(object: T) => Promise<T>;
  readonly patch: <T = KubernetesObject>(
    kind: string,
    options: { namespace?: string | undefined; name: string; patch: unknown },
  ) => Promise<T>;
  /**
   * Server-side apply in the name of the policy, which then owns the fields that it gives. Takes fields from other owners,
   * unless `force` is false: then that is a conflict.
   */
  readonly apply: <T extends object>(object: T, options?: { force?: boolean | undefined }) => Promise<T>;
  readonly remove: (object: object) => Promise<unknown>;
  /** Needs the host in `permissions.net`. */
  readonly fetch: (url: string, options?: FetchOptions) => Promise<FetchResponse>;
  /** An environment variable of the server. Needs `permissions.env`. */
  readonly env: (name: string) => string | undefined;
  /** A file of the server, as UTF-8. Needs `permissions.files`. */
  readonly readFile: (path: string) => string;
  readonly log: (...values: unknown[]) => void;
}

/** Amounts by resource, as in a ResourceQuota: numbers, or quantities such as `500m` and `1.5Gi`. Exact, never floats. */
export type Amounts = Readonly<Record<string, QuantityLike>>;

export interface ReserveOptions {
  /** What is counted together: `namespaces/jane`. Every policy that uses the key shares it. */
  key: string;
  /** What the object uses once the request is through: on an update all of it, not the difference. */
  amounts: Amounts;
  /** The most that all objects may use together. Those of the tenant's `quotas` by default; what is in neither is free. */
  limits?: Amounts | undefined;
  /** The objects that there are and what each uses now, usually from `list`. The object of the request may be among them. */
  used?: readonly { readonly object: object; readonly amounts: Amounts }[] | undefined;
  /** Which object uses it, where that is another than the one of the request. */
  object?: object | undefined;
  /**
   * Seconds, from 1 to 3600, that a reservation counts whose object does not appear; 60 by default. Shorter than 35 is shorter
   * than an API server may take to store an object that was allowed.
   */
  ttl?: number | undefined;
}

export interface Reservation {
  readonly allowed: boolean;
  /** What is used now, what other requests have reserved included. */
  readonly used: Readonly<Record<string, string>>;
  readonly limit: Readonly<Record<string, string>>;
  /** What there is for this request. */
  readonly remaining: Readonly<Record<string, string>>;
  /** What is too much; `requested` is how much more than now. */
  readonly exceeded: readonly {
    readonly resource: string;
    readonly requested: string;
    readonly used: string;
    readonly limit: string;
  }[];
  /** What is too much, in words; empty where nothing is. */
  readonly message: string;
}

export interface ClaimOptions {
  /** Under which names are unique: `hosts`. */
  key: string;
  /**
   * Host names that the object has once the request is through: case, ports, a dot at the end and IDNA make no difference,
   * a wildcard meets all that it covers, and an empty name is every host.
   */
  names: readonly string[];
  /** Who has them. The same owner may have a name in many objects. */
  owner: string;
  /** The names that objects have, and whose they are, usually from `list`. */
  taken?: readonly { readonly object: object; readonly name: string; readonly owner: string }[] | undefined;
  object?: object | undefined;
  ttl?: number | undefined;
}

export interface Claim {
  readonly allowed: boolean;
  /** Those of the names that somebody else has, as they are compared. Whose they are is not told. */
  readonly conflicts: readonly string[];
  /** Which are in use, in words; empty where none is. */
  readonly message: string;
}

/**
 * What a policy that lists and then decides cannot have: two requests never get the same rest. Each needs its key in
 * `permissions.quota`.
 *
 * What is too much is an answer; a ledger that cannot be reached is an error. On a dry run, and for requests of a virtual
 * cluster's API server, it answers and keeps nothing. What was reserved for a request that is denied in the end is given
 * back. Asked twice about one request, it answers the same.
 */
export interface Quota {
  readonly reserve: (options: ReserveOptions) => Promise<Reservation>;
  readonly claim: (options: ClaimOptions) => Promise<Claim>;
}

interface AdmissionContext<Obj, Parameters> extends Host {
  /** The object before the change; `null` on CREATE and CONNECT. */
  readonly oldObject: DeepReadonly<Obj> | null;
  readonly request: DeepReadonly<Request<Obj>>;
  readonly operation: Operation;
  readonly user: DeepReadonly<User>;
  /** `undefined` for a cluster-scoped object. */
  readonly namespace: DeepReadonly<Namespace> | undefined;
  readonly parameters: DeepReadonly<Parameters>;
  readonly tenant: DeepReadonly<Tenant>;
  /** Which API server asks. */
  readonly vantage: Vantage;
  /** On the host, when trusted: the object as the tenant knows it. */
  readonly virtual: DeepReadonly<Obj> | undefined;
  readonly dryRun: boolean;
  readonly template: Template | undefined;
  /**
   * The time of the request. `Date.now()` and `new Date()` give it too, for as long as the run lasts, and what
   * `Math.random()` gives depends on the request's uid and the policy's name alone: judged again, a request gets the
   * same answer. While the module is loaded it is 1970.
   */
  readonly now: Date;
  /** Refuses the request. Records and returns, so that one answer can list all that is wrong. */
  readonly deny: (message: string, options?: DenyOptions) => void;
  /** Tells the client something (a `Warning` header) without refusing. At most 256 bytes are shown. */
  readonly warn: (message: string) => void;
  /** Adds an annotation to the API server's audit event. */
  readonly audit: (key: string, value: string) => void;
}

export interface ValidateContext<Obj = KubernetesObject, Parameters = unknown> extends AdmissionContext<
  Obj,
  Parameters
> {
  /** The object asked for, frozen. On DELETE it is `null` at run time: read `oldObject`. */
  readonly object: DeepReadonly<Obj>;
  /** Reservations for this request. Not for `mutate`, which may be asked again and is denied later. */
  readonly quota: Quota;
}

export interface MutateContext<Obj = KubernetesObject, Parameters = unknown> extends AdmissionContext<Obj, Parameters> {
  /** A draft: edit it in place, the engine computes the patch. */
  readonly object: Obj;
}

/** Which object a controller is told of. */
export interface ObjectKey {
  readonly apiVersion: string;
  readonly kind: string;
  /** `undefined` for an object of the cluster. */
  readonly namespace: string | undefined;
  readonly name: string;
}

export interface ReconcileContext<Obj = KubernetesObject, Parameters = unknown> extends Host {
  /** The object as it is now, frozen; `undefined` once it is gone. */
  readonly object: DeepReadonly<Obj> | undefined;
  /** Once it is gone, how it last was, as far as that is known. */
  readonly oldObject: DeepReadonly<Obj> | undefined;
  readonly key: ObjectKey;
  /** `CREATE` while it is there, also after a change; `DELETE` once it is to be gone (`deletionTimestamp`), or is. */
  readonly operation: "CREATE" | "DELETE";
  /** `undefined` for an object of the cluster. */
  readonly namespace: DeepReadonly<Namespace> | undefined;
  readonly parameters: DeepReadonly<Parameters>;
  readonly tenant: DeepReadonly<Tenant>;
  /** Writes are judged by the API server and not kept. */
  readonly dryRun: boolean;
  readonly now: Date;
  /** Asks to see the object again soon, and later each time. An error does the same. */
  readonly requeue: (message?: string) => void;
  /** Asks to see it again after so many seconds, if it does not change before. */
  readonly requeueAfter: (seconds: number, message?: string) => void;
  /** Says that something is wrong with the object: kept among the violations of the policy. */
  readonly deny: (message: string, options?: DenyOptions) => void;
  /** For the log of the server. */
  readonly warn: (message: string) => void;
}
