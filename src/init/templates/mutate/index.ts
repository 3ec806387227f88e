import { policy } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

export default policy<Pod>({
  name: "%policy%",
  title: "Pods get no token that they did not ask for",
  description: "Sets automountServiceAccountToken to false where a pod does not say otherwise.",
  category: "Least privilege",
  severity: "medium",
  match: { resources: ["pods"], operations: ["CREATE"] },

  mutate({ object }) {
    if (object.spec !== undefined) object.spec.automountServiceAccountToken ??= false;
  },
});
