import { containers, policy } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

export default policy<Pod>({
  name: "no-privileged.pods.bylaw.dev",
  title: "Containers are not privileged",
  description: "A privileged container is root on its node.",
  category: "Pod security",
  severity: "critical",
  match: { resources: ["pods", "pods/ephemeralcontainers"], operations: ["CREATE", "UPDATE"], workloads: true },

  validate({ object, deny }) {
    for (const { container, field } of containers(object)) {
      if (container.securityContext?.privileged) {
        deny(`container ${container.name} must not be privileged`, { field: `${field}.securityContext.privileged` });
      }
    }
  },
});
