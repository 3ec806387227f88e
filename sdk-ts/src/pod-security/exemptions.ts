/**
 * What is not looked at, and where: by user, namespace, runtime class, image, container and check.
 *
 * A container that is exempt from a check is taken out of what the check sees. Its findings could not simply be dropped: a
 * bad setting of one container makes some checks say nothing of others that have none.
 */

import type { CheckName } from "./check.ts";
import { glob, imagePattern, type Pattern } from "./patterns.ts";
import { isThere, type PodView, type SeenContainer } from "./view.ts";

/**
 * Every field that is given must agree, with any one of its items. `*` in an item stands for any characters.
 *
 * With `images` or `containers` it covers what is found at those containers, and nothing of the pod as a whole.
 */
export interface Exemption {
  /** User names, such as `system:serviceaccount:ci:*`. Pods of a workload are made by its controller. */
  readonly users?: readonly string[] | undefined;
  readonly namespaces?: readonly string[] | undefined;
  readonly runtimeClasses?: readonly string[] | undefined;
  /**
   * `registry.example.com/agents/*` or `nginx:1.*`; the registry must be named in full. Without tag and digest any will
   * do. A tag never speaks for an image that is named by digest.
   */
  readonly images?: readonly string[] | undefined;
  /** Names of containers of any kind. */
  readonly containers?: readonly string[] | undefined;
  /** All by default. */
  readonly checks?: readonly CheckName[] | undefined;
}

/** Of whom exemptions by user and namespace are asked; the context of a handler has it. */
export interface PodSecurityRequest {
  readonly user?: { readonly username?: string | undefined } | undefined;
  readonly namespace?: { readonly name: string } | undefined;
}

/** An {@link Exemption} that was read. */
export interface Exempt {
  /** Whether it has a say on this pod at all. */
  readonly holds: (pod: PodView, request: PodSecurityRequest | undefined) => boolean;
  readonly checks: readonly CheckName[] | undefined;
  /** The containers that it covers; the whole pod where it names none. */
  readonly covers: ((seen: SeenContainer) => boolean) | undefined;
}

const FIELDS: readonly string[] = Object.freeze([
  "users",
  "namespaces",
  "runtimeClasses",
  "images",
  "containers",
  "checks",
]);

/** @throws RangeError that names what is wrong. */
export function readExemptions(
  exemptions: readonly Exemption[] | undefined,
  known: readonly CheckName[],
): readonly Exempt[] {
  if (!isThere(exemptions)) return [];
  if (!Array.isArray(exemptions)) throw invalid("exempt", "must be an array");
  return exemptions.map((exemption: unknown, index) => read(exemption, `exempt[${String(index)}]`, known));
}

function read(exemption: unknown, place: string, known: readonly CheckName[]): Exempt {
  if (typeof exemption !== "object" || exemption === null) throw invalid(place, "must be an object");
  const given = Object.entries(exemption).filter(([, value]) => isThere(value));
  if (given.length === 0) throw invalid(place, "is empty and would exempt everything; say what");
  // A misspelt field would leave its exemption wider than it was meant to be.
  const unknown = given.find(([field]) => !FIELDS.includes(field));
  if (unknown !== undefined) throw invalid(`${place}.${unknown[0]}`, `is unknown; there are ${FIELDS.join(", ")}`);

  const items = (field: string): readonly string[] | undefined => {
    const value: unknown = given.find(([name]) => name === field)?.[1];
    if (value === undefined) return undefined;
    const isList = Array.isArray(value) && value.length > 0;
    if (!isList || !value.every((item) => typeof item === "string" && item !== "")) {
      throw invalid(`${place}.${field}`, "must be an array of at least one text");
    }
    return value as string[];
  };
  const [users, namespaces, runtimeClasses, containers] = ["users", "namespaces", "runtimeClasses", "containers"].map(
    (field) => items(field)?.map(glob),
  );
  const images = items("images")?.map((pattern) => imagePattern(pattern, `${place}.images`));
  const checks = items("checks");
  const stranger = checks?.find((check) => !known.includes(check as CheckName));
  if (stranger !== undefined) {
    throw invalid(`${place}.checks`, `${JSON.stringify(stranger)} is no check; there are ${known.join(", ")}`);
  }
  const isWhole = images === undefined && containers === undefined;
  return {
    holds: ({ spec }, request) =>
      agrees(users, request?.user?.username) &&
      agrees(namespaces, request?.namespace?.name) &&
      agrees(runtimeClasses, spec.runtimeClassName),
    checks: checks as readonly CheckName[] | undefined,
    covers: isWhole
      ? undefined
      : ({ container }) => agrees(containers, container.name) && agrees(images, container.image),
  };
}

/** Whether a text is among those asked for, if any are. What is not known is none of them. */
function agrees(patterns: readonly Pattern[] | undefined, text: unknown): boolean {
  if (patterns === undefined) return true;
  return typeof text === "string" && text !== "" && patterns.some((matches) => matches(text));
}

/** The pod without what is exempt from a check; `undefined` where the whole of it is. */
export function unexempted(pod: PodView, check: CheckName, exemptions: readonly Exempt[]): PodView | undefined {
  const here = exemptions.filter(({ checks }) => checks?.includes(check) ?? true);
  if (here.some(({ covers }) => covers === undefined)) return undefined;
  const containers = pod.containers.filter((seen) => !here.some(({ covers }) => covers?.(seen) ?? false));
  if (containers.length === pod.containers.length) return pod;
  const kept = containers.map(({ container }) => container.name);
  const names = pod.containers.map(({ container }) => container.name ?? "");
  return { ...pod, containers, exempted: names.filter((name) => !kept.includes(name)) };
}

function invalid(place: string, reason: string): RangeError {
  return new RangeError(`podSecurity: ${place} ${reason}`);
}
