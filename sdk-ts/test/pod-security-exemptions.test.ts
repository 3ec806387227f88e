import { describe, expect, it } from "vitest";
import { podSecurity, type CheckName, type Exemption, type PodSecurityRequest } from "../src/index.ts";
import type { Container, Pod } from "../k8s/core/v1.ts";

const good = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
const pod = (containers: Container[], spec: object = {}, metadata: object = {}): Pod => ({
  metadata,
  spec: { containers, ...spec },
});
const hardened = { securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } } };

/** The checks found at each place: `privileged spec.containers[0]…`. */
function found(
  object: Pod,
  exempt: Exemption[],
  request?: PodSecurityRequest,
  level: "baseline" | "restricted" = "baseline",
) {
  const judge = podSecurity(level, "latest", { exempt });
  return judge(object, request).map(({ check, field }) => `${check} ${field}`);
}

describe("an exemption of podSecurity", () => {
  const privileged = pod([{ name: "web", image: "nginx:1.29", securityContext: { privileged: true } }], {
    hostPID: true,
    runtimeClassName: "kata",
  });
  const all = ["hostNamespaces spec.hostPID", "privileged spec.containers[0].securityContext.privileged"];

  it("by user, namespace or runtime class covers the whole pod", () => {
    const request = { user: { username: "system:serviceaccount:ci:builder" }, namespace: { name: "ci" } };
    expect(found(privileged, [{ users: ["system:serviceaccount:ci:*"] }], request)).toEqual([]);
    expect(found(privileged, [{ users: ["someone"] }, { namespaces: ["kube-system", "ci"] }], request)).toEqual([]);
    expect(found(privileged, [{ runtimeClasses: ["kata"] }])).toEqual([]);
    expect(found(privileged, [{ users: ["jane"] }], request)).toEqual(all);
    expect(found(privileged, [{ namespaces: ["c"] }], request)).toEqual(all);
    expect(found(privileged, [{ runtimeClasses: ["kata-*"] }], request)).toEqual(all);
  });

  it("needs all of its fields to agree", () => {
    const exempt = [{ namespaces: ["ci"], runtimeClasses: ["kata"], checks: ["privileged" as const] }];
    expect(found(privileged, exempt, { namespace: { name: "ci" } })).toEqual(all.slice(0, 1));
    expect(found(privileged, exempt, { namespace: { name: "shop" } })).toEqual(all);
  });

  it("by user or namespace never holds where nobody asks, whatever the pod says of itself", () => {
    const claims = pod([{ name: "web", securityContext: { privileged: true } }], {}, { namespace: "kube-system" });
    expect(found(claims, [{ namespaces: ["*"] }, { users: ["*"] }])).toHaveLength(1);
    expect(found(claims, [{ namespaces: ["*"] }, { users: ["*"] }], { user: {}, namespace: undefined })).toHaveLength(
      1,
    );
  });

  it("by image or container covers that container, not its neighbours and not the pod", () => {
    const two = pod(
      [
        { name: "web", image: "nginx", securityContext: { privileged: true } },
        { name: "agent", image: "registry.example.com/agents/log:1", securityContext: { privileged: true } },
      ],
      { hostPID: true },
    );
    const rest = ["hostNamespaces spec.hostPID", "privileged spec.containers[0].securityContext.privileged"];
    expect(found(two, [{ images: ["registry.example.com/agents/*"] }])).toEqual(rest);
    expect(found(two, [{ containers: ["agent"] }])).toEqual(rest);
    expect(found(two, [{ containers: ["agent"], images: ["docker.io/*"] }])).toHaveLength(3);
    expect(found(two, [{ containers: ["*"] }, { checks: ["hostNamespaces"] }])).toEqual([]);
  });

  it("of one check of one container leaves its other checks and other containers as they are", () => {
    const bad = { privileged: true, capabilities: { add: ["SYS_ADMIN"] } };
    const two = pod([{ name: "web", securityContext: bad }], {
      initContainers: [{ name: "setup", securityContext: bad }],
    });
    expect(found(two, [{ containers: ["setup"], checks: ["capabilities_baseline"] }])).toEqual([
      "capabilities_baseline spec.containers[0].securityContext.capabilities.add",
      "privileged spec.initContainers[0].securityContext.privileged",
      "privileged spec.containers[0].securityContext.privileged",
    ]);
  });

  it("does not hide what its container's own bad setting kept the check from saying of others", () => {
    const agent = (securityContext: object) => ({ name: "agent", securityContext: { ...good, ...securityContext } });
    const web = { name: "web", securityContext: good };
    const exempt: Exemption[] = [{ containers: ["agent"], checks: ["runAsNonRoot", "seccompProfile_restricted"] }];
    const root = pod([agent({ runAsNonRoot: false, seccompProfile: { type: "Unconfined" } }), web]);
    expect(found(root, exempt, undefined, "restricted")).toEqual([
      "runAsNonRoot spec.containers[1].securityContext.runAsNonRoot",
      "seccompProfile_restricted spec.containers[1].securityContext.seccompProfile",
    ]);
    const hardenedPod = pod([agent({ runAsNonRoot: false }), web], hardened);
    expect(found(hardenedPod, exempt, undefined, "restricted")).toEqual([]);
  });

  it("covers the annotations of its container", () => {
    const annotations = {
      "container.apparmor.security.beta.kubernetes.io/agent": "unconfined",
      "container.apparmor.security.beta.kubernetes.io/web": "unconfined",
      "container.seccomp.security.alpha.kubernetes.io/agent": "unconfined",
    };
    const two = pod([{ name: "agent" }, { name: "web" }], {}, { annotations });
    const judge = podSecurity("baseline", "v1.18", { exempt: [{ containers: ["agent"] }] });
    expect(judge(two).map(({ field }) => field)).toEqual([
      "metadata.annotations[container.apparmor.security.beta.kubernetes.io/web]",
    ]);
    // Two of one name, of which one is not exempt: the API server refuses such a pod, later.
    const twins = pod([{ name: "agent", image: "a.example.com/x" }, { name: "agent" }], {}, { annotations });
    expect(found(twins, [{ images: ["a.example.com/x"] }])).toHaveLength(2);
  });

  it.each<[string, string, boolean]>([
    ["nginx", "nginx:1.29", true],
    ["nginx", "docker.io/library/nginx@sha256:" + "a".repeat(64), true],
    ["nginx", "nginx-evil", false],
    ["nginx", "evil.example.com/library/nginx", false],
    ["nginx:1.*", "nginx:1.29", true],
    ["nginx:1.*", "nginx:2.0", false],
    ["nginx:latest", "nginx", true],
    ["nginx:1.*", "nginx:1.29@sha256:" + "a".repeat(64), false],
    ["nginx@sha256:" + "a".repeat(64), "nginx:1.29@sha256:" + "a".repeat(64), true],
    ["nginx@sha256:" + "a".repeat(64), "nginx:1.29@sha256:" + "b".repeat(64), false],
    ["registry.example.com/agents/*", "registry.example.com/agents/a/b:1", true],
    ["registry.example.com/agents/*", "registry.example.com/agentsx/a", false],
    ["registry.example.com/agents/*", "registry.example.com.evil.example/agents/a", false],
    ["registry.example.com:5000/*", "registry.example.com:5000/a", true],
    ["registry.example.com/*", "not a reference", false],
    ["registry.example.com/*", "", false],
  ])("by image %s and %s: %s", (pattern, image, isExempt) => {
    const one = pod([{ name: "web", image, securityContext: { privileged: true } }]);
    expect(found(one, [{ images: [pattern] }])).toHaveLength(isExempt ? 0 : 1);
  });

  it("looks at a long name in time that does not run away", () => {
    const image = `a.example.com/${"a".repeat(240)}`;
    const one = pod([{ name: "web", image, securityContext: { privileged: true } }]);
    expect(found(one, [{ images: [`a.example.com/${"*a".repeat(60)}*b`] }])).toHaveLength(1);
  });

  it.each<[unknown, string]>([
    [{}, "exempt[0] is empty and would exempt everything"],
    [{ users: undefined, checks: null }, "exempt[0] is empty"],
    [null, "exempt[0] must be an object"],
    [{ namespace: ["ci"], checks: ["privileged"] }, "exempt[0].namespace is unknown; there are users, namespaces"],
    [{ users: [] }, "exempt[0].users must be an array of at least one text"],
    [{ users: "jane" }, "exempt[0].users must be an array"],
    [{ users: [""] }, "exempt[0].users must be an array"],
    [{ checks: ["priviledged"] }, 'exempt[0].checks "priviledged" is no check; there are appArmorProfile'],
    [{ images: ["*"] }, '"*" must name its registry without *'],
    [{ images: ["registry.*.com/agents"] }, "must name its registry without *"],
  ])("is refused where it is malformed: %j", (exemption, reason) => {
    expect(() => podSecurity("baseline", "latest", { exempt: [exemption as Exemption] })).toThrow(reason);
  });

  it("is refused where it is no list", () => {
    const exempt = { checks: ["privileged"] } as unknown as Exemption[];
    expect(() => podSecurity("baseline", "latest", { exempt })).toThrow("exempt must be an array");
  });

  it("may name any check by its upstream name, also one that the level has no use for", () => {
    const exempt = [{ checks: ["capabilities_baseline", "procMount_restricted"] satisfies CheckName[] }];
    expect(podSecurity("restricted", "latest", { exempt })(pod([], hardened))).toEqual([]);
  });
});
