import { containers, policy, quantity } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

type Parameters = { requests: string[]; limits: string[]; maximum: Record<string, string> };

const names = { type: "array", items: { type: "string" } };

export default policy<Pod, Parameters>({
  name: "resource-limits.pods.bylaw.dev",
  title: "Containers say what they need",
  description: "The scheduler places by requests; a container without a memory limit can take its node down.",
  category: "Reliability",
  severity: "medium",
  match: { resources: ["pods"], operations: ["CREATE", "UPDATE"], workloads: true },
  parameters: {
    schema: {
      type: "object",
      properties: {
        requests: { ...names, default: ["cpu", "memory"] },
        limits: { ...names, default: ["memory"] },
        maximum: { type: "object", additionalProperties: { type: "string" }, default: {} },
      },
    },
  },

  validate({ object, parameters, deny }) {
    for (const { container, field, kind } of containers(object)) {
      if (kind !== "container" && kind !== "init") continue;
      const { requests, limits } = container.resources ?? {};
      for (const name of parameters.requests) {
        // Kubernetes takes a missing request from the limit.
        if (requests?.[name] ?? limits?.[name]) continue;
        deny(`container ${container.name} must request ${name}`, { field: `${field}.resources.requests.${name}` });
      }
      for (const name of parameters.limits) {
        if (limits?.[name]) continue;
        deny(`container ${container.name} must limit ${name}`, { field: `${field}.resources.limits.${name}` });
      }
      for (const [name, maximum] of Object.entries(parameters.maximum)) {
        for (const part of ["requests", "limits"] as const) {
          const amount = container.resources?.[part]?.[name];
          if (amount === undefined || quantity(amount).compare(maximum) <= 0) continue;
          deny(`container ${container.name} must not use more than ${maximum} of ${name}, and asks for ${amount}`, {
            field: `${field}.resources.${part}.${name}`,
          });
        }
      }
    }
  },
});
