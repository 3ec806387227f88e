import { podSecurity, policy, type Level, type PodSecurityVersion } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

type Parameters = { level: Level; version: PodSecurityVersion };

export default policy<Pod, Parameters>({
  name: "pod-security.pods.bylaw.dev",
  title: "Pods keep to the Pod Security Standards",
  description: "The standards of Kubernetes, each violation told with its field.",
  category: "Pod security",
  severity: "high",
  match: { resources: ["pods", "pods/ephemeralcontainers"], operations: ["CREATE", "UPDATE"], workloads: true },
  parameters: {
    schema: {
      type: "object",
      properties: {
        level: { type: "string", enum: ["privileged", "baseline", "restricted"], default: "baseline" },
        version: { type: "string", pattern: "^(latest|v1\\.[0-9]+)$", default: "latest" },
      },
    },
  },

  validate({ object, parameters, deny }) {
    const judge = podSecurity(parameters.level, parameters.version);
    for (const { check, message, field } of judge(object)) deny(`${message} (${check})`, { field });
  },
});
