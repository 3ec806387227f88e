/** A pod as the checks look at it: walked once, whatever is missing or malformed left out. */

import type { DeepReadonly } from "../context.ts";
import type { Container, Pod, PodSpec } from "../../k8s/core/v1.ts";

/** What JSON may hold where Kubernetes means a `T`: any part may be missing, or `null`, which means the same. */
export type Loose<T> = T extends readonly (infer Item)[]
  ? readonly (Loose<Item> | null)[]
  : T extends object
    ? { readonly [Key in keyof T]?: Loose<T[Key]> | null }
    : T;

export interface SeenContainer {
  readonly list: "containers" | "initContainers" | "ephemeralContainers";
  readonly index: number;
  readonly container: Loose<Container>;
  readonly securityContext: Loose<NonNullable<Container["securityContext"]>>;
}

export interface PodView {
  readonly spec: Loose<PodSpec>;
  readonly securityContext: Loose<NonNullable<PodSpec["securityContext"]>>;
  readonly annotations: Readonly<Record<string, unknown>>;
  readonly containers: readonly SeenContainer[];
  /** The names of containers that are left out above, because they are exempt from the check that looks. */
  readonly exempted: readonly string[];
  /** Says that it runs on Windows, where the API server refuses the settings of Linux. */
  readonly isWindows: boolean;
  /** Says that root in its containers is nobody on the node (KEP-127). */
  readonly hasUserNamespace: boolean;
}

const NOTHING: Readonly<Record<string, never>> = Object.freeze({});
const NO_ITEMS: readonly never[] = Object.freeze([]);

export function viewOf(pod: DeepReadonly<Pod> | null | undefined): PodView {
  const loose = pod as Loose<Pod> | null | undefined;
  const spec = loose?.spec ?? NOTHING;
  const containers: SeenContainer[] = [];
  collect("initContainers", spec.initContainers, containers);
  collect("containers", spec.containers, containers);
  collect("ephemeralContainers", spec.ephemeralContainers, containers);
  return {
    spec,
    securityContext: spec.securityContext ?? NOTHING,
    annotations: loose?.metadata?.annotations ?? NOTHING,
    containers,
    exempted: NO_ITEMS,
    isWindows: spec.os?.name === "windows",
    hasUserNamespace: spec.hostUsers === false,
  };
}

function collect(
  list: SeenContainer["list"],
  items: readonly (Loose<Container> | null)[] | null | undefined,
  into: SeenContainer[],
): void {
  if (!isList(items)) return;
  for (let index = 0; index < items.length; index += 1) {
    // As in Go, where a `null` in a list is an empty item.
    const container = items[index] ?? NOTHING;
    into.push({ list, index, container, securityContext: container.securityContext ?? NOTHING });
  }
}

/** The items of what should be an array, a `null` among them standing for an empty one. */
export function listOf<T>(items: readonly (T | null)[] | null | undefined): readonly T[] {
  if (!isList(items)) return NO_ITEMS;
  return items.includes(null) ? items.map((item) => item ?? (NOTHING as T)) : (items as readonly T[]);
}

/** `spec.containers[0]` */
export function fieldOf({ list, index }: SeenContainer): string {
  return `spec.${list}[${String(index)}]`;
}

/** `container "app"` */
export function nameOf({ list, container }: SeenContainer): string {
  const kind =
    list === "containers" ? "container" : list === "initContainers" ? "init container" : "ephemeral container";
  return `${kind} ${JSON.stringify(container.name ?? "")}`;
}

/** Whether a field has a value; `null` is none. */
export function isThere<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null;
}

/** Kubernetes' optional booleans: anything but `false` and nothing at all counts as set. */
export function isSet(flag: unknown): boolean {
  return isThere(flag) && flag !== false;
}

function isList<T>(items: readonly T[] | null | undefined): items is readonly T[] {
  return Array.isArray(items);
}
