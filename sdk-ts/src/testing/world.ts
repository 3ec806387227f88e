/** What a policy sees of the world in a test: an inventory of objects, and what namespaces are labelled with. */

import type { KubernetesObject } from "../context.ts";
import type { Case } from "./case.ts";
import { copy } from "./json.ts";
import { CLUSTER_SCOPED } from "./request.ts";

const NAME_LABEL = "kubernetes.io/metadata.name";

/** Groups under `k8s.io` that are CRDs, of either scope. */
const NOT_BUILT_IN: readonly string[] = Object.freeze([
  "gateway.networking.k8s.io",
  "snapshot.storage.k8s.io",
  "metrics.k8s.io",
  "wgpolicyk8s.io",
  "policy.networking.k8s.io",
  "cluster.x-k8s.io",
]);

export interface World {
  find(kind: string, namespace: string, name: string): KubernetesObject | undefined;
  /** In the order of namespace and name; every namespace by default. */
  list(kind: string, namespace: string | undefined): KubernetesObject[];
  has(kind: string): boolean;
  isNamespaced(kind: string): boolean;
  /** The labels of a namespace. All namespaces are there; those that nobody tells of have their name as a label. */
  labelsOf(namespace: string): Record<string, string>;
}

export function worldOf(one: Case): World {
  const kinds = new Map<string, Map<string, KubernetesObject>>();
  for (const object of (one.inventory ?? []).flatMap(itemsOf)) add(kinds, copy(object));
  const all = (kind: string) => [...(kinds.get(kind)?.values() ?? [])];
  const namespaceOf = (object: KubernetesObject) => object.metadata?.namespace ?? "";
  const given = typeof one.namespace === "object" ? one.namespace.labels : undefined;
  return {
    find: (kind, namespace, name) => kinds.get(kind)?.get(keyOf(namespace, name)),
    list: (kind, namespace) =>
      all(kind)
        .filter((object) => namespace === undefined || ["", namespace].includes(namespaceOf(object)))
        .sort((a, b) => order(namespaceOf(a), namespaceOf(b)) || order(a.metadata?.name ?? "", b.metadata?.name ?? "")),
    has: (kind) => kinds.has(kind),
    isNamespaced: (kind) => all(kind).some((object) => namespaceOf(object) !== ""),
    labelsOf: (namespace) => {
      const known = kinds.get("v1/Namespace")?.get(keyOf("", namespace))?.metadata?.labels;
      const labels = { [NAME_LABEL]: namespace, ...known, ...given };
      // In the engine's order.
      return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => order(a, b)));
    },
  };
}

/** The items of a `List`, or of a typed one, whose items leave out what they are. */
function itemsOf(value: object): KubernetesObject[] {
  const object = value as KubernetesObject;
  const { apiVersion, kind, items } = object;
  if (typeof apiVersion !== "string" || typeof kind !== "string") {
    throw new TypeError("inventory: each object needs apiVersion and kind");
  }
  if (!kind.endsWith("List") || !Array.isArray(items)) return [object];
  const item = kind.slice(0, -"List".length);
  const named = item === "" ? {} : { apiVersion, kind: item };
  return (items as object[]).flatMap((one) => itemsOf({ ...named, ...one }));
}

/** Fills in what the API server would: the namespace `default`, and the name of a namespace as its label. */
function add(kinds: Map<string, Map<string, KubernetesObject>>, object: KubernetesObject): void {
  const { apiVersion = "", kind = "", metadata } = object;
  const name = metadata?.name;
  if (metadata === undefined || typeof name !== "string")
    throw new TypeError(`inventory: ${kind}: metadata.name is missing`);
  if (apiVersion === "v1" && kind === "Namespace") {
    metadata.labels = { ...metadata.labels, [NAME_LABEL]: metadata.labels?.[NAME_LABEL] ?? name };
  } else if (isBuiltIn(apiVersion) && !CLUSTER_SCOPED.includes(kind)) {
    metadata.namespace ??= "default";
  }
  const of = `${apiVersion}/${kind}`;
  const objects = kinds.get(of) ?? new Map<string, KubernetesObject>();
  kinds.set(of, objects.set(keyOf(metadata.namespace ?? "", name), object));
}

function isBuiltIn(apiVersion: string): boolean {
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
  return !group.includes(".") || (group.endsWith(".k8s.io") && !NOT_BUILT_IN.includes(group));
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
