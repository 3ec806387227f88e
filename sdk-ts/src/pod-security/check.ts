/** The shape of a check: what it is called, since when it counts and what it looks for. */

import type { PodView } from "./view.ts";

export type Level = "privileged" | "baseline" | "restricted";

/** The names that `k8s.io/pod-security-admission` gives the checks. */
export type CheckName =
  | "allowPrivilegeEscalation"
  | "appArmorProfile"
  | "capabilities_baseline"
  | "capabilities_restricted"
  | "hostNamespaces"
  | "hostPathVolumes"
  | "hostPorts"
  | "hostProbesAndHostLifecycle"
  | "privileged"
  | "procMount"
  | "procMount_restricted"
  | "restrictedVolumes"
  | "runAsNonRoot"
  | "runAsUser"
  | "seLinuxOptions"
  | "seccompProfile_baseline"
  | "seccompProfile_restricted"
  | "sysctls"
  | "windowsHostProcess";

/** Says what is wrong and where. */
export type Report = (field: string, message: string) => void;
export type Run = (pod: PodView, report: Report) => void;

export interface Check {
  readonly id: CheckName;
  /** Oldest first. */
  readonly versions: readonly CheckVersion[];
  /** The first minor version in which the restricted level has a stronger check in its place. */
  readonly overriddenSince?: number;
}

export interface CheckVersion {
  /** The first Kubernetes 1.x minor version that it counts for. */
  readonly since: number;
  readonly run: Run;
}
