import { policy, type KubernetesObject } from "@bylaw/sdk";

type Parameters = { labels: string[] };

export default policy<KubernetesObject, Parameters>({
  name: "required-labels.workloads.bylaw.dev",
  title: "Workloads have labels",
  description: "Labels say whose a workload is and what it belongs to.",
  category: "Good order",
  severity: "low",
  match: {
    apiGroups: ["apps"],
    resources: ["deployments", "statefulsets", "daemonsets"],
    operations: ["CREATE", "UPDATE"],
  },
  parameters: {
    schema: {
      type: "object",
      properties: {
        labels: { type: "array", items: { type: "string" }, default: ["app.kubernetes.io/name"] },
      },
    },
  },

  validate({ object, parameters, deny }) {
    for (const label of parameters.labels) {
      if (object.metadata?.labels?.[label]) continue;
      deny(`label ${label} is required`, { field: `metadata.labels[${label}]` });
    }
  },
});
