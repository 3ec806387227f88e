/**
 * The restricted level of the Pod Security Standards: what hardening asks for, on top of the baseline.
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
 */

import { procMount } from "./baseline.ts";
import type { Check, Run } from "./check.ts";
import { seccompRequired } from "./seccomp.ts";
import { fieldOf, isThere, listOf, nameOf } from "./view.ts";

const ALLOWED_VOLUMES: readonly string[] = Object.freeze([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "image",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);

const allowPrivilegeEscalation: Run = (pod, report) => {
  for (const seen of pod.containers) {
    if (seen.securityContext.allowPrivilegeEscalation === false) continue;
    report(
      `${fieldOf(seen)}.securityContext.allowPrivilegeEscalation`,
      `${nameOf(seen)} must set allowPrivilegeEscalation to false`,
    );
  }
};

const capabilities: Run = (pod, report) => {
  for (const seen of pod.containers) {
    const { add, drop } = seen.securityContext.capabilities ?? {};
    if (!Array.isArray(drop) || !drop.includes("ALL")) {
      report(`${fieldOf(seen)}.securityContext.capabilities.drop`, `${nameOf(seen)} must drop capabilities ["ALL"]`);
    }
    if (add === undefined) continue;
    const forbidden = listOf(add).filter((capability) => capability !== "NET_BIND_SERVICE");
    if (forbidden.length === 0) continue;
    report(
      `${fieldOf(seen)}.securityContext.capabilities.add`,
      `${nameOf(seen)} must not add capabilities other than NET_BIND_SERVICE: ${forbidden.join(", ")}`,
    );
  }
};

const restrictedVolumes: Run = ({ spec }, report) => {
  const volumes = listOf(spec.volumes);
  for (let index = 0; index < volumes.length; index += 1) {
    const volume = volumes[index];
    const type = volume === undefined ? undefined : forbiddenType(volume);
    if (type === undefined) continue;
    const name = JSON.stringify(volume?.name ?? "");
    report(
      `spec.volumes[${String(index)}].${type}`,
      `volume ${name} must be of type ${ALLOWED_VOLUMES.join(", ")}, not ${type}`,
    );
  }
};

/** A source that is not allowed. Of a volume without any, the API server makes an emptyDir. */
function forbiddenType(volume: object): string | undefined {
  let forbidden: string | undefined;
  for (const [key, source] of Object.entries(volume)) {
    if (key === "name" || !isThere(source)) continue;
    if (ALLOWED_VOLUMES.includes(key)) return undefined;
    forbidden ??= key;
  }
  return forbidden;
}

const runAsNonRoot: Run = (pod, report) => {
  const ofPod = pod.securityContext.runAsNonRoot ?? undefined;
  let explicit = false;
  if (ofPod !== undefined && !ofPod) {
    report("spec.securityContext.runAsNonRoot", "the pod must not set runAsNonRoot to false");
    explicit = true;
  }
  for (const seen of pod.containers) {
    const own = seen.securityContext.runAsNonRoot ?? undefined;
    if (own === undefined || own) continue;
    report(`${fieldOf(seen)}.securityContext.runAsNonRoot`, `${nameOf(seen)} must not set runAsNonRoot to false`);
    explicit = true;
  }
  if (explicit || ofPod === true) return;
  for (const seen of pod.containers) {
    if (isThere(seen.securityContext.runAsNonRoot)) continue;
    report(
      `${fieldOf(seen)}.securityContext.runAsNonRoot`,
      `${nameOf(seen)}, or the pod, must set runAsNonRoot to true`,
    );
  }
};

const runAsUser: Run = (pod, report) => {
  if (pod.securityContext.runAsUser === 0) report("spec.securityContext.runAsUser", "the pod must not run as user 0");
  for (const seen of pod.containers) {
    if (seen.securityContext.runAsUser !== 0) continue;
    report(`${fieldOf(seen)}.securityContext.runAsUser`, `${nameOf(seen)} must not run as user 0`);
  }
};

const exceptWindows =
  (run: Run): Run =>
  (pod, report) => {
    if (!pod.isWindows) run(pod, report);
  };

const exceptUserNamespace =
  (run: Run): Run =>
  (pod, report) => {
    if (!pod.hasUserNamespace) run(pod, report);
  };

/** In the order that upstream reports them: by name. */
export const RESTRICTED: readonly Check[] = Object.freeze([
  {
    id: "allowPrivilegeEscalation",
    versions: [
      { since: 8, run: allowPrivilegeEscalation },
      { since: 25, run: exceptWindows(allowPrivilegeEscalation) },
    ],
  },
  {
    id: "capabilities_restricted",
    versions: [
      { since: 22, run: capabilities },
      { since: 25, run: exceptWindows(capabilities) },
    ],
  },
  { id: "procMount_restricted", versions: [{ since: 35, run: procMount }] },
  { id: "restrictedVolumes", versions: [{ since: 0, run: restrictedVolumes }] },
  {
    id: "runAsNonRoot",
    versions: [
      { since: 0, run: runAsNonRoot },
      { since: 35, run: exceptUserNamespace(runAsNonRoot) },
    ],
  },
  {
    id: "runAsUser",
    versions: [
      { since: 23, run: runAsUser },
      { since: 35, run: exceptUserNamespace(runAsUser) },
    ],
  },
  {
    id: "seccompProfile_restricted",
    versions: [
      { since: 19, run: seccompRequired },
      { since: 25, run: exceptWindows(seccompRequired) },
    ],
  },
]);
