import { describe, expect, it } from "vitest";
import { containers } from "../src/index.ts";
import type { Pod } from "../k8s/core/v1.ts";

describe("containers", () => {
  it("lists every kind with the path to it", () => {
    const pod: Pod = {
      spec: {
        containers: [{ name: "web", image: "nginx" }, { name: "none" }],
        initContainers: [{ name: "setup", image: "busybox" }],
        ephemeralContainers: [{ name: "debug", image: "alpine" }],
        volumes: [
          { name: "data", emptyDir: {} },
          { name: "model", image: { reference: "ghcr.io/m/model:1" } },
        ],
      },
    };
    expect(containers(pod)).toEqual([
      { container: pod.spec?.containers[0], field: "spec.containers[0]", kind: "container", image: "nginx" },
      { container: { name: "none" }, field: "spec.containers[1]", kind: "container" },
      {
        container: { name: "setup", image: "busybox" },
        field: "spec.initContainers[0]",
        kind: "init",
        image: "busybox",
      },
      {
        container: { name: "debug", image: "alpine" },
        field: "spec.ephemeralContainers[0]",
        kind: "ephemeral",
        image: "alpine",
      },
      {
        container: { name: "model", image: "ghcr.io/m/model:1" },
        field: "spec.volumes[1]",
        kind: "imageVolume",
        image: "ghcr.io/m/model:1",
      },
    ]);
  });

  it("gives the containers themselves, so that a mutating policy can edit them", () => {
    const container = { name: "web" };
    expect(containers({ spec: { containers: [container] } })[0]?.container).toBe(container);
  });

  it.each([
    [undefined],
    [null],
    ["pod"],
    [{}],
    [{ spec: null }],
    [{ spec: [] }],
    [{ spec: { containers: null, initContainers: "x", ephemeralContainers: {}, volumes: 7 } }],
    [{ spec: { containers: [null, 1, "x", []], volumes: [null, {}, { image: null }, { image: "x" }] } }],
  ])("passes over what is malformed: %j", (pod) => {
    expect(containers(pod as Pod)).toEqual([]);
  });

  it("keeps the index of what it passes over, and leaves out images that are no text", () => {
    const pod = { spec: { containers: [null, { name: "web", image: 5 }, { name: "b", image: "" }] } } as unknown as Pod;
    expect(containers(pod).map(({ field, image }) => [field, image])).toEqual([
      ["spec.containers[1]", undefined],
      ["spec.containers[2]", undefined],
    ]);
  });
});
