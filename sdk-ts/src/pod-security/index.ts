/** The Pod Security Standards, each version of them, as a function of a pod. */

import type { DeepReadonly } from "../context.ts";
import type { Pod } from "../../k8s/core/v1.ts";
import { BASELINE } from "./baseline.ts";
import type { Check, CheckName, Level, Report, Run } from "./check.ts";
import { readExemptions, unexempted, type Exemption, type PodSecurityRequest } from "./exemptions.ts";
import { RESTRICTED } from "./restricted.ts";
import { viewOf } from "./view.ts";

export type { CheckName, Level } from "./check.ts";
export type { Exemption, PodSecurityRequest } from "./exemptions.ts";

/** `latest`, or a version of Kubernetes such as `v1.36`. */
export type PodSecurityVersion = "latest" | `v1.${number}`;

export interface PodSecurityOptions {
  /** What is not looked at. Any one exemption that covers something is enough. */
  readonly exempt?: readonly Exemption[] | undefined;
}

export interface Finding {
  /** The check's upstream name, such as `runAsNonRoot`. */
  readonly check: CheckName;
  readonly message: string;
  readonly field: string;
}

/** Exemptions by user or namespace hold for a `request` only; the context of a handler is one. */
type Judge = (pod: DeepReadonly<Pod> | null | undefined, request?: PodSecurityRequest) => Finding[];

/**
 * Prepares a level of the Pod Security Standards. Call it once, where the module is loaded, and the function that it
 * returns on each pod: an empty array means that the pod is within the standard.
 *
 * Versions newer than the newest known one count as `latest`, as in Kubernetes.
 *
 * @throws RangeError when there is no such level, version or check, or when an exemption is malformed.
 */
export function podSecurity(
  level: Level,
  version: PodSecurityVersion = "latest",
  options: PodSecurityOptions = {},
): Judge {
  const checks = checksOf(level, minorOf(version));
  const exemptions = readExemptions(options.exempt, NAMES);
  return (pod, request) => {
    const findings: Finding[] = [];
    let check: CheckName = "privileged";
    const report: Report = (field, message) => findings.push({ check, message, field });
    const view = viewOf(pod);
    const holding = exemptions.filter((exemption) => exemption.holds(view, request));
    for (const { id, run } of checks) {
      const seen = holding.length === 0 ? view : unexempted(view, id, holding);
      if (seen === undefined) continue;
      check = id;
      run(seen, report);
    }
    return findings;
  };
}

const NAMES: readonly CheckName[] = Object.freeze([...BASELINE, ...RESTRICTED].map(({ id }) => id));

type Active = Readonly<{ id: CheckName; run: Run }>;

function checksOf(level: Level, minor: number): readonly Active[] {
  const active: Active[] = [];
  switch (level) {
    case "privileged":
      return active;
    case "baseline":
      for (const check of BASELINE) activate(check, minor, active);
      return active;
    case "restricted":
      for (const check of BASELINE) {
        if (check.overriddenSince === undefined || minor < check.overriddenSince) activate(check, minor, active);
      }
      for (const check of RESTRICTED) activate(check, minor, active);
      return active;
    default:
      throw new RangeError(`podSecurity: level ${JSON.stringify(level)} must be privileged, baseline or restricted`);
  }
}

/** Adds the form that a check has in a version, if it has one. */
function activate({ id, versions }: Check, minor: number, active: Active[]): void {
  const current = versions.findLast(({ since }) => since <= minor);
  if (current !== undefined) active.push({ id, run: current.run });
}

function minorOf(version: string): number {
  if (version === "latest") return Infinity;
  const minor = /^v1\.(0|[1-9][0-9]*)$/.exec(version)?.[1];
  if (minor === undefined)
    throw new RangeError(`podSecurity: version ${JSON.stringify(version)} must be "latest" or like "v1.36"`);
  return Number(minor);
}
