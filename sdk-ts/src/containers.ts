/** Everything in a pod that names an image, with the path to it. */

import type { DeepReadonly } from "./context.ts";
import type { Container, Pod } from "../k8s/core/v1.ts";

export type ContainerKind = "container" | "init" | "ephemeral" | "imageVolume";

export interface PodContainer {
  /** For an image volume, a stand-in that has only the volume's `name` and its `image`. */
  readonly container: DeepReadonly<Container>;
  /** `spec.containers[0]`; for an image volume `spec.volumes[0]`, so that `${field}.image` is right for every kind. */
  readonly field: string;
  readonly kind: ContainerKind;
  /** The image reference, where there is one. */
  readonly image?: string;
}

const LISTS = Object.freeze([
  ["containers", "container"],
  ["initContainers", "init"],
  ["ephemeralContainers", "ephemeral"],
] as const);

/**
 * The containers, init containers, ephemeral containers and image volumes of a pod, in that order. Whatever is not of
 * the shape that Kubernetes gives it is passed over: the API server refuses it later.
 */
export function containers(pod: DeepReadonly<Pod> | null | undefined): PodContainer[] {
  const found: PodContainer[] = [];
  const spec = property(pod, "spec");
  for (const [list, kind] of LISTS) {
    const items = property(spec, list);
    if (!Array.isArray(items)) continue;
    for (let index = 0; index < items.length; index += 1) {
      const container: unknown = items[index];
      if (!isObject(container)) continue;
      found.push(item(container, `spec.${list}[${String(index)}]`, kind, container["image"]));
    }
  }
  const volumes = property(spec, "volumes");
  if (!Array.isArray(volumes)) return found;
  for (let index = 0; index < volumes.length; index += 1) {
    const volume: unknown = volumes[index];
    const source = property(volume, "image");
    if (!isObject(source)) continue;
    const image = source["reference"];
    found.push(item({ name: property(volume, "name"), image }, `spec.volumes[${String(index)}]`, "imageVolume", image));
  }
  return found;
}

function item(container: object, field: string, kind: ContainerKind, image: unknown): PodContainer {
  const named = container as DeepReadonly<Container>;
  return typeof image === "string" && image !== ""
    ? { container: named, field, kind, image }
    : { container: named, field, kind };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function property(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}
