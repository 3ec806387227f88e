import { podSecurity, policy, type Exemption, type Level, type PodSecurityVersion } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

type Parameters = { level: Level; version: PodSecurityVersion; exempt: readonly Exemption[] };

const texts = { type: "array", items: { type: "string" }, minItems: 1 } as const;

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
        exempt: {
          type: "array",
          default: [],
          items: {
            type: "object",
            minProperties: 1,
            additionalProperties: false,
            properties: {
              users: texts,
              namespaces: texts,
              runtimeClasses: texts,
              images: texts,
              containers: texts,
              checks: texts,
            },
          },
        },
      },
    },
  },

  validate({ object, parameters, user, namespace, deny }) {
    const { level, version, exempt } = parameters;
    const judge = podSecurity(level, version, { exempt });
    for (const { check, message, field } of judge(object, { user, namespace }))
      deny(`${message} (${check})`, { field });
  },
});
