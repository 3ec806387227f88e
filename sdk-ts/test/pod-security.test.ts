import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { podSecurity, type Level, type PodSecurityVersion } from "../src/index.ts";
import type { Pod } from "../k8s/core/v1.ts";

const hardened: Pod = {
  spec: {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
    containers: [
      { name: "web", securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } } },
    ],
  },
};

describe("podSecurity", () => {
  it("finds nothing wrong with a hardened pod, and nothing at all at the privileged level", () => {
    expect(podSecurity("restricted")(hardened)).toEqual([]);
    expect(podSecurity("privileged")({ spec: { hostPID: true, containers: [] } })).toEqual([]);
  });

  it("tells each violation with its check, its field and its container", () => {
    const pod: Pod = {
      metadata: { annotations: { "container.apparmor.security.beta.kubernetes.io/web": "unconfined" } },
      spec: {
        hostNetwork: true,
        containers: [
          {
            name: "web",
            ports: [{ containerPort: 80 }, { containerPort: 81, hostPort: 81 }],
            securityContext: { privileged: true, capabilities: { add: ["CHOWN", "SYS_ADMIN"] } },
          },
        ],
        initContainers: [{ name: "setup", livenessProbe: { httpGet: { host: "10.0.0.1", port: 80 } } }],
      },
    };
    expect(podSecurity("baseline")(pod).map(({ check, field }) => [check, field])).toEqual([
      ["appArmorProfile", "metadata.annotations[container.apparmor.security.beta.kubernetes.io/web]"],
      ["capabilities_baseline", "spec.containers[0].securityContext.capabilities.add"],
      ["hostNamespaces", "spec.hostNetwork"],
      ["hostPorts", "spec.containers[0].ports[1].hostPort"],
      ["hostProbesAndHostLifecycle", "spec.initContainers[0].livenessProbe.httpGet.host"],
      ["privileged", "spec.containers[0].securityContext.privileged"],
    ]);
    expect(podSecurity("baseline")(pod).map(({ message }) => message)).toContain(
      'container "web" must not add capabilities beyond the default ones: SYS_ADMIN',
    );
  });

  it("asks the pod or each container for what either may set", () => {
    const pod = (ofPod: object, ofContainer: object): Pod => ({
      spec: {
        securityContext: ofPod,
        containers: [
          {
            name: "web",
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, ...ofContainer },
          },
        ],
      },
    });
    const both = { runAsNonRoot: true, seccompProfile: { type: "Localhost" } };
    const judge = podSecurity("restricted");
    expect(judge(pod({}, both))).toEqual([]);
    expect(judge(pod(both, {}))).toEqual([]);
    expect(judge(pod({}, {})).map(({ check }) => check)).toEqual(["runAsNonRoot", "seccompProfile_restricted"]);
    expect(judge(pod(both, { runAsNonRoot: false })).map(({ field }) => field)).toEqual([
      "spec.containers[0].securityContext.runAsNonRoot",
    ]);
    expect(judge(pod({ ...both, seccompProfile: { type: "Unconfined" } }, both)).map(({ field }) => field)).toEqual([
      "spec.securityContext.seccompProfile.type",
    ]);
  });

  it("runs a restricted check in place of the weaker one of the baseline", () => {
    const pod: Pod = { spec: { containers: [], volumes: [{ name: "root", hostPath: { path: "/" } }] } };
    expect(podSecurity("baseline")(pod).map(({ check }) => check)).toEqual(["hostPathVolumes"]);
    expect(podSecurity("restricted")(pod)).toEqual([
      {
        check: "restrictedVolumes",
        field: "spec.volumes[0].hostPath",
        message: expect.stringContaining("root") as string,
      },
    ]);
  });

  it.each([
    [undefined],
    [null],
    ["pod"],
    [{ spec: null, metadata: null }],
    [{ spec: { containers: "x", volumes: {}, securityContext: 5 }, metadata: { annotations: "x" } }],
    [
      {
        spec: { containers: [null, 1, "x", { securityContext: "x", ports: 1, lifecycle: "y" }], volumes: [null, "x"] },
      },
    ],
    [
      {
        spec: {
          securityContext: { sysctls: [null, 1], seLinuxOptions: "x", windowsOptions: 7 },
          containers: [{ ports: [null, 1] }],
        },
      },
    ],
  ])("never throws: %j", (pod) => {
    for (const level of ["baseline", "restricted"] as const) {
      expect(() => podSecurity(level)(pod as unknown as Pod)).not.toThrow();
    }
  });

  it("takes a version newer than all for the latest, and refuses what is none", () => {
    expect(podSecurity("restricted", "v1.999")(hardened)).toEqual([]);
    for (const version of ["1.36", "v2.0", "v1", "v1.036", "", "v1.36.0"]) {
      expect(() => podSecurity("restricted", version as PodSecurityVersion)).toThrow(
        'must be "latest" or like "v1.36"',
      );
    }
    expect(() => podSecurity("strict" as Level)).toThrow("must be privileged, baseline or restricted");
  });
});

describe("podSecurity on the fixtures of k8s.io/pod-security-admission", () => {
  const module = execFileSync("go", ["mod", "download", "-json", "k8s.io/pod-security-admission@v0.37.0"], {
    cwd: tmpdir(),
    env: { ...process.env, GOFLAGS: "-mod=mod" },
  });
  const { Dir } = JSON.parse(module.toString()) as { Dir: string };
  const testdata = join(Dir, "test", "testdata");

  /** The restricted check that stands for a baseline one, where both would say the same. */
  const stronger: Readonly<Record<string, string>> = {
    capabilities_baseline: "capabilities_restricted",
    hostpathvolumes: "restrictedVolumes",
    procmount: "procMount_restricted",
    seccompprofile_baseline: "seccompProfile_restricted",
  };

  const folders = ["baseline", "restricted"].flatMap((level) =>
    readdirSync(join(testdata, level)).map((version) => [level, version] as [Level, PodSecurityVersion]),
  );

  it("are all there", () => {
    const count = folders.flatMap(([level, version]) =>
      ["pass", "fail"].flatMap((verdict) => readdirSync(join(testdata, level, version, verdict))),
    ).length;
    expect(count).toBe(4537);
  });

  it.each(folders)("%s %s", (level, version) => {
    const judge = podSecurity(level, version);
    for (const verdict of ["pass", "fail"]) {
      const folder = join(testdata, level, version, verdict);
      for (const file of readdirSync(folder)) {
        const pod = parse(readFileSync(join(folder, file), "utf8")) as Pod;
        const checks = new Set(judge(pod).map(({ check }) => check.toLowerCase()));
        if (verdict === "pass") {
          expect({ file, checks: [...checks] }).toEqual({ file, checks: [] });
          continue;
        }
        const named = file.replace(/[0-9]+\.yaml$/, "");
        const found = checks.has(named) || checks.has(stronger[named]?.toLowerCase() ?? "");
        expect({ file, found, checks: [...checks] }).toEqual({ file, found: true, checks: [...checks] });
      }
    }
  });
});
