import { policy } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

export default policy<Pod>({
  name: "secure-defaults.pods.bylaw.dev",
  title: "Pods get secure defaults",
  description: "What a careful author would have written is filled in where nothing was said.",
  category: "Pod security",
  severity: "medium",
  // Only pods: what a workload says stays as it was applied, so that nothing drifts from its source.
  match: { resources: ["pods"], operations: ["CREATE"] },

  mutate({ object: { spec } }) {
    // The API server refuses these fields on a Windows pod.
    if (spec === undefined || spec.os?.name === "windows") return;
    spec.securityContext ??= {};
    spec.securityContext.seccompProfile ??= { type: "RuntimeDefault" };

    for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
      const own = (container.securityContext ??= {});
      if (own.privileged) continue;
      own.capabilities ??= {};
      own.capabilities.drop ??= ["ALL"];
      // Whoever may do anything cannot be kept from gaining more: the API server refuses the pair.
      const isAdmin = own.capabilities.add?.some((name) => name === "SYS_ADMIN" || name === "CAP_SYS_ADMIN");
      if (!isAdmin) own.allowPrivilegeEscalation ??= false;
    }
  },
});
