/** Makes the AdmissionRequest that an API server would send for a case. */

import type { KubernetesObject, Operation, Request } from "../context.ts";
import type { Case } from "./case.ts";

/** Kinds without a namespace among those built in, as `src/lint/kubernetes/resources.txt` has them. Others are taken to be namespaced where they name one. */
export const CLUSTER_SCOPED: readonly string[] = Object.freeze([
  "APIService",
  "CSIDriver",
  "CSINode",
  "CertificateSigningRequest",
  "ClusterRole",
  "ClusterRoleBinding",
  "ClusterTrustBundle",
  "ComponentStatus",
  "CustomResourceDefinition",
  "DeviceClass",
  "DeviceTaintRule",
  "FlowSchema",
  "IPAddress",
  "IngressClass",
  "MutatingAdmissionPolicy",
  "MutatingAdmissionPolicyBinding",
  "MutatingWebhookConfiguration",
  "Namespace",
  "Node",
  "PersistentVolume",
  "PriorityClass",
  "PriorityLevelConfiguration",
  "ResourcePoolStatusRequest",
  "ResourceSlice",
  "RuntimeClass",
  "SelfSubjectAccessReview",
  "SelfSubjectReview",
  "SelfSubjectRulesReview",
  "ServiceCIDR",
  "StorageClass",
  "StorageVersion",
  "StorageVersionMigration",
  "SubjectAccessReview",
  "TokenReview",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
  "ValidatingWebhookConfiguration",
  "VolumeAttachment",
  "VolumeAttributesClass",
]);

/** Plurals that no rule gives. */
const IRREGULAR: Readonly<Record<string, string>> = Object.freeze({
  Endpoints: "endpoints",
  PodMetrics: "pods",
  NodeMetrics: "nodes",
  JsPolicyViolations: "jspolicyviolations",
});

const NO_UID = "00000000-0000-0000-0000-000000000000";
const ADMIN = "kubernetes-admin";

/** @throws TypeError where the object has no apiVersion, kind or name. */
export function requestOf(one: Case): Request {
  const given = one.request === undefined ? built(one) : completed(one.request, one);
  // What a policy sees came through JSON.
  return JSON.parse(JSON.stringify(given)) as Request;
}

function completed(request: Partial<Request>, one: Case): Partial<Request> {
  const { object, oldObject } = request;
  const subject = object ?? oldObject;
  const operation = request.operation ?? one.operation ?? operationOf(object, oldObject);
  if (subject === undefined || subject === null) {
    if (request.kind === undefined || request.resource === undefined) {
      throw new TypeError("request: without an object it needs `kind` and `resource`");
    }
    return {
      uid: NO_UID,
      userInfo: userOf(one),
      object: null,
      oldObject: null,
      options: null,
      operation,
      ...request,
    };
  }
  const base = built({ ...one, operation, object: object ?? null, oldObject: oldObject ?? null });
  return { ...base, ...request };
}

function built(one: Case): Partial<Request> {
  const object = one.object as KubernetesObject | null | undefined;
  const oldObject = one.oldObject as KubernetesObject | null | undefined;
  const subject = object ?? oldObject;
  if (subject === undefined || subject === null)
    throw new TypeError("case: neither an object nor an old object was given");
  const { apiVersion, kind, metadata } = subject;
  if (typeof apiVersion !== "string") throw new TypeError("case: the object has no apiVersion");
  if (typeof kind !== "string") throw new TypeError("case: the object has no kind");
  const name = metadata?.name;
  if (name === undefined && metadata?.generateName === undefined) {
    throw new TypeError(`case: ${kind}: metadata.name is missing`);
  }
  const operation = one.operation ?? operationOf(object, oldObject);
  const [version = "", group = ""] = apiVersion.split("/").reverse();
  const namespace = namespaceOf(one, kind, name, metadata?.namespace);
  const gvk = { group, version, kind };
  const gvr = { group, version, resource: pluralOf(kind) };
  const inNamespace = (value: KubernetesObject) => withNamespace(value, isClusterScoped(kind) ? undefined : namespace);
  return {
    uid: NO_UID,
    kind: gvk,
    resource: gvr,
    requestKind: gvk,
    requestResource: gvr,
    // The API server leaves out what is empty.
    ...(name === undefined || name === "" ? {} : { name }),
    ...(namespace === undefined || namespace === "" ? {} : { namespace }),
    operation,
    userInfo: userOf(one),
    object: operation === "DELETE" || !object ? null : inNamespace(object),
    oldObject: oldOf(operation, object, oldObject),
    dryRun: one.dryRun ?? false,
    options: null,
  };
}

function operationOf(object: unknown, oldObject: unknown): Operation {
  if (oldObject === undefined || oldObject === null) return "CREATE";
  return object === undefined || object === null ? "DELETE" : "UPDATE";
}

function userOf(one: Case): Request["userInfo"] {
  const {
    username = ADMIN,
    groups = [],
    ...more
  } = typeof one.user === "object" ? one.user : { username: one.user ?? ADMIN };
  return { username, groups: [...(one.groups ?? groups)], ...more };
}

function namespaceOf(one: Case, kind: string, name: string | undefined, own: string | undefined): string | undefined {
  if (isClusterScoped(kind)) return kind === "Namespace" ? name : undefined;
  const given = typeof one.namespace === "string" ? one.namespace : one.namespace?.name;
  return own ?? given ?? "default";
}

function isClusterScoped(kind: string): boolean {
  return CLUSTER_SCOPED.includes(kind);
}

/** A deletion judges what is there: the object itself, where no old one was given. */
function oldOf(
  operation: Operation,
  object: KubernetesObject | null | undefined,
  oldObject: KubernetesObject | null | undefined,
): KubernetesObject | null {
  if (operation === "CREATE") return null;
  return (operation === "DELETE" ? (oldObject ?? object) : oldObject) ?? null;
}

/** The API server fills the namespace in before it asks anyone. */
function withNamespace(object: KubernetesObject, namespace: string | undefined): KubernetesObject {
  if (namespace === undefined || object.metadata === undefined || object.metadata.namespace !== undefined)
    return object;
  return { ...object, metadata: { ...object.metadata, namespace } };
}

/** The resource of a kind, by the rule that Kubernetes' own kinds follow. */
function pluralOf(kind: string): string {
  const irregular = Object.hasOwn(IRREGULAR, kind) ? IRREGULAR[kind] : undefined;
  if (irregular !== undefined) return irregular;
  const lower = kind.toLowerCase();
  if (/[^aeiou]y$/.test(lower)) return `${lower.slice(0, -1)}ies`;
  return /(?:s|x|z|ch|sh)$/.test(lower) ? `${lower}es` : `${lower}s`;
}
