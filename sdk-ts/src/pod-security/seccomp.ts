/** Seccomp profiles: once annotations, since 1.19 fields; baseline refuses bad ones, restricted asks for good ones. */

import type { Report, Run } from "./check.ts";
import { fieldOf, isThere, nameOf, type PodView } from "./view.ts";

const POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod";
const CONTAINER_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io/";

interface Profile {
  readonly type?: string | null;
}

/** Before 1.19. */
export const seccompAnnotations: Run = (pod, report) => {
  checkAnnotation(pod, POD_ANNOTATION, report);
  for (const { container } of pod.containers) {
    checkAnnotation(pod, `${CONTAINER_ANNOTATION}${container.name ?? ""}`, report);
  }
};

/** Since 1.19, baseline: no profile, or a good one. */
export const seccompFields: Run = (pod, report) => {
  checkFields(pod, report);
};

/** Since 1.19, restricted: a good profile, of each container or of the pod. */
export const seccompRequired: Run = (pod, report) => {
  if (!checkFields(pod, report) || isGood(pod.securityContext.seccompProfile)) return;
  for (const seen of pod.containers) {
    const own = seen.securityContext.seccompProfile;
    if (isThere(own)) continue;
    report(
      `${fieldOf(seen)}.securityContext.seccompProfile`,
      `${nameOf(seen)}, or the pod, must set seccomp profile RuntimeDefault or Localhost`,
    );
  }
};

/** Reports profiles that are set to something bad; true when there are none. */
function checkFields(pod: PodView, report: Report): boolean {
  let good = true;
  if (isBad(pod.securityContext.seccompProfile)) {
    report("spec.securityContext.seccompProfile.type", "the pod must use seccomp profile RuntimeDefault or Localhost");
    good = false;
  }
  for (const seen of pod.containers) {
    if (!isBad(seen.securityContext.seccompProfile)) continue;
    report(
      `${fieldOf(seen)}.securityContext.seccompProfile.type`,
      `${nameOf(seen)} must use seccomp profile RuntimeDefault or Localhost`,
    );
    good = false;
  }
  return good;
}

function isGood(profile: Profile | null | undefined): boolean {
  return profile?.type === "RuntimeDefault" || profile?.type === "Localhost";
}

function isBad(profile: Profile | null | undefined): boolean {
  return isThere(profile) && !isGood(profile);
}

function checkAnnotation({ annotations }: PodView, key: string, report: Report): void {
  if (!Object.hasOwn(annotations, key)) return;
  const value = annotations[key];
  if (value === "runtime/default" || value === "docker/default") return;
  if (typeof value === "string" && value.startsWith("localhost/")) return;
  report(`metadata.annotations[${key}]`, `annotation ${key} must be runtime/default or localhost/…`);
}
