import { policy } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

export default policy<Pod>({
  name: "no-host-namespaces.pods.bylaw.dev",
  title: "Pods keep to themselves",
  description: "A pod in a namespace of its node sees the traffic, the processes or the memory of its neighbours.",
  category: "Pod security",
  severity: "high",
  match: { resources: ["pods"], operations: ["CREATE", "UPDATE"], workloads: true },

  validate({ object, deny }) {
    for (const field of ["hostNetwork", "hostPID", "hostIPC"] as const) {
      if (object.spec?.[field]) deny(`${field} must not be true`, { field: `spec.${field}` });
    }
  },
});
