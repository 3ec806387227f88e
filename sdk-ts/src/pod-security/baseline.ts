/**
 * The baseline level of the Pod Security Standards: known ways out of a container are closed.
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
 */

import type { Check, CheckName, Report, Run } from "./check.ts";
import { seccompFields, seccompAnnotations } from "./seccomp.ts";
import { fieldOf, isSet, isThere, listOf, nameOf, type SeenContainer } from "./view.ts";

const DEFAULT_CAPABILITIES = Object.freeze([
  "AUDIT_WRITE",
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "MKNOD",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
]);

/** Sysctls that are namespaced and cannot harm a neighbour, by the minor version that allowed them. */
const SAFE_SYSCTLS = Object.freeze([
  {
    since: 0,
    names: [
      "kernel.shm_rmid_forced",
      "net.ipv4.ip_local_port_range",
      "net.ipv4.ip_unprivileged_port_start",
      "net.ipv4.ping_group_range",
      "net.ipv4.tcp_syncookies",
    ],
  },
  { since: 27, names: ["net.ipv4.ip_local_reserved_ports"] },
  {
    since: 29,
    names: [
      "net.ipv4.tcp_fin_timeout",
      "net.ipv4.tcp_keepalive_intvl",
      "net.ipv4.tcp_keepalive_probes",
      "net.ipv4.tcp_keepalive_time",
    ],
  },
  { since: 32, names: ["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"] },
  { since: 37, names: ["net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_slow_start_after_idle"] },
]);

const APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/";

const appArmorProfile: Run = (pod, report) => {
  if (isBadAppArmor(pod.securityContext.appArmorProfile)) {
    report(
      "spec.securityContext.appArmorProfile.type",
      "the pod must use AppArmor profile RuntimeDefault or Localhost",
    );
  }
  for (const seen of pod.containers) {
    if (!isBadAppArmor(seen.securityContext.appArmorProfile)) continue;
    report(
      `${fieldOf(seen)}.securityContext.appArmorProfile.type`,
      `${nameOf(seen)} must use AppArmor profile RuntimeDefault or Localhost`,
    );
  }
  for (const key in pod.annotations) {
    if (!key.startsWith(APPARMOR_ANNOTATION) || pod.exempted.includes(key.slice(APPARMOR_ANNOTATION.length))) continue;
    const value = pod.annotations[key];
    if (value === "" || value === "runtime/default") continue;
    if (typeof value === "string" && value.startsWith("localhost/")) continue;
    report(`metadata.annotations[${key}]`, `annotation ${key} must be runtime/default or localhost/…`);
  }
};

function isBadAppArmor(profile: { readonly type?: string | null } | null | undefined): boolean {
  return isThere(profile) && profile.type !== "RuntimeDefault" && profile.type !== "Localhost";
}

const capabilities: Run = (pod, report) => {
  for (const seen of pod.containers) {
    const added = seen.securityContext.capabilities?.add;
    if (added === undefined) continue;
    const forbidden = listOf(added).filter((capability) => !DEFAULT_CAPABILITIES.includes(capability));
    if (forbidden.length === 0) continue;
    report(
      `${fieldOf(seen)}.securityContext.capabilities.add`,
      `${nameOf(seen)} must not add capabilities beyond the default ones: ${forbidden.join(", ")}`,
    );
  }
};

const hostNamespaces: Run = ({ spec }, report) => {
  if (isSet(spec.hostNetwork)) report("spec.hostNetwork", "the pod must not share the network of the node");
  if (isSet(spec.hostPID)) report("spec.hostPID", "the pod must not share the processes of the node");
  if (isSet(spec.hostIPC)) report("spec.hostIPC", "the pod must not share the IPC of the node");
};

const hostPathVolumes: Run = ({ spec }, report) => {
  const volumes = listOf(spec.volumes);
  for (let index = 0; index < volumes.length; index += 1) {
    const volume = volumes[index];
    if (!isThere(volume?.hostPath)) continue;
    const name = JSON.stringify(volume.name ?? "");
    report(`spec.volumes[${String(index)}].hostPath`, `volume ${name} must not be a path of the node`);
  }
};

const hostPorts: Run = (pod, report) => {
  for (const seen of pod.containers) {
    const ports = listOf(seen.container.ports);
    for (let index = 0; index < ports.length; index += 1) {
      const hostPort = ports[index]?.hostPort;
      if (!isThere(hostPort) || hostPort === 0) continue;
      report(
        `${fieldOf(seen)}.ports[${String(index)}].hostPort`,
        `${nameOf(seen)} must not use port ${String(hostPort)} of the node`,
      );
    }
  }
};

const hostProbesAndHostLifecycle: Run = (pod, report) => {
  for (const seen of pod.containers) {
    const { livenessProbe, readinessProbe, startupProbe, lifecycle } = seen.container;
    checkHost(livenessProbe, "livenessProbe", seen, report);
    checkHost(readinessProbe, "readinessProbe", seen, report);
    checkHost(startupProbe, "startupProbe", seen, report);
    checkHost(lifecycle?.postStart, "lifecycle.postStart", seen, report);
    checkHost(lifecycle?.preStop, "lifecycle.preStop", seen, report);
  }
};

interface Action {
  readonly host?: string | null;
}

interface Handler {
  readonly httpGet?: Action | null;
  readonly tcpSocket?: Action | null;
}

function checkHost(handler: Handler | null | undefined, name: string, seen: SeenContainer, report: Report): void {
  if (!isThere(handler)) return;
  if (isElsewhere(handler.httpGet)) {
    report(`${fieldOf(seen)}.${name}.httpGet.host`, `${nameOf(seen)} must not send its ${name} to another host`);
  }
  if (isElsewhere(handler.tcpSocket)) {
    report(`${fieldOf(seen)}.${name}.tcpSocket.host`, `${nameOf(seen)} must not send its ${name} to another host`);
  }
}

function isElsewhere(action: Action | null | undefined): boolean {
  return isThere(action?.host) && action.host !== "";
}

const privileged: Run = (pod, report) => {
  for (const seen of pod.containers) {
    if (!isSet(seen.securityContext.privileged)) continue;
    report(`${fieldOf(seen)}.securityContext.privileged`, `${nameOf(seen)} must not be privileged`);
  }
};

/** Also the restricted level's, whatever the user namespace. */
export const procMount: Run = (pod, report) => {
  for (const seen of pod.containers) {
    const mount = seen.securityContext.procMount;
    if (!isThere(mount) || mount === "Default") continue;
    report(`${fieldOf(seen)}.securityContext.procMount`, `${nameOf(seen)} must keep the default masks on /proc`);
  }
};

const procMountOutsideUserNamespace: Run = (pod, report) => {
  if (!pod.hasUserNamespace) procMount(pod, report);
};

function seLinuxOptions(types: readonly string[]): Run {
  const check = (options: SELinuxOptions, field: string, who: string, report: Report) => {
    if (!types.includes(options.type ?? "")) {
      report(`${field}.seLinuxOptions.type`, `${who} must use an SELinux type of ${types.filter(Boolean).join(", ")}`);
    }
    if ((options.user ?? "") !== "") report(`${field}.seLinuxOptions.user`, `${who} must not set an SELinux user`);
    if ((options.role ?? "") !== "") report(`${field}.seLinuxOptions.role`, `${who} must not set an SELinux role`);
  };
  return (pod, report) => {
    const ofPod = pod.securityContext.seLinuxOptions;
    if (isThere(ofPod)) check(ofPod, "spec.securityContext", "the pod", report);
    for (const seen of pod.containers) {
      const own = seen.securityContext.seLinuxOptions;
      if (isThere(own)) check(own, `${fieldOf(seen)}.securityContext`, nameOf(seen), report);
    }
  };
}

interface SELinuxOptions {
  readonly type?: string | null;
  readonly user?: string | null;
  readonly role?: string | null;
}

function sysctls(minor: number): Run {
  const safe = Object.freeze(SAFE_SYSCTLS.filter(({ since }) => since <= minor).flatMap(({ names }) => names));
  return ({ securityContext }, report) => {
    if (securityContext.sysctls === undefined) return;
    for (const [index, { name }] of listOf(securityContext.sysctls).entries()) {
      if (safe.includes(name ?? "")) continue;
      report(
        `spec.securityContext.sysctls[${String(index)}].name`,
        `the pod must not set sysctl ${String(name)}: it reaches beyond the pod`,
      );
    }
  };
}

const windowsHostProcess: Run = (pod, report) => {
  if (isSet(pod.securityContext.windowsOptions?.hostProcess)) {
    report("spec.securityContext.windowsOptions.hostProcess", "the pod must not run as processes of the node");
  }
  for (const seen of pod.containers) {
    if (!isSet(seen.securityContext.windowsOptions?.hostProcess)) continue;
    report(
      `${fieldOf(seen)}.securityContext.windowsOptions.hostProcess`,
      `${nameOf(seen)} must not run as a process of the node`,
    );
  }
};

const always = (id: CheckName, run: Run, replaced?: { overriddenSince: number }): Check => ({
  id,
  versions: [{ since: 0, run }],
  ...replaced,
});

/** In the order that upstream reports them: by name. */
export const BASELINE: readonly Check[] = Object.freeze([
  always("appArmorProfile", appArmorProfile),
  always("capabilities_baseline", capabilities, { overriddenSince: 22 }),
  always("hostNamespaces", hostNamespaces),
  always("hostPathVolumes", hostPathVolumes, { overriddenSince: 0 }),
  always("hostPorts", hostPorts),
  { id: "hostProbesAndHostLifecycle", versions: [{ since: 34, run: hostProbesAndHostLifecycle }] },
  always("privileged", privileged),
  {
    id: "procMount",
    versions: [
      { since: 0, run: procMount },
      { since: 35, run: procMountOutsideUserNamespace },
    ],
    overriddenSince: 35,
  },
  {
    id: "seLinuxOptions",
    versions: [
      { since: 0, run: seLinuxOptions(["", "container_t", "container_init_t", "container_kvm_t"]) },
      {
        since: 31,
        run: seLinuxOptions(["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"]),
      },
    ],
  },
  {
    id: "seccompProfile_baseline",
    versions: [
      { since: 0, run: seccompAnnotations },
      { since: 19, run: seccompFields },
    ],
    overriddenSince: 19,
  },
  { id: "sysctls", versions: SAFE_SYSCTLS.map(({ since }) => ({ since, run: sysctls(since) })) },
  always("windowsHostProcess", windowsHostProcess),
]);
