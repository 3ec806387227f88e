// Policies that say that they were asked.
import { policy, type Match, type Policy } from "@bylaw/sdk";

const asked = (name: string, match: Match): Policy =>
  policy({
    name: `${name}.corpus.example`,
    match,
    validate({ warn }) {
      warn("asked");
    },
  });

export default [
  asked("any-update", { resources: ["*"], operations: ["UPDATE"] }),
  asked("apps", { resources: ["*"], apiGroups: ["apps"], operations: ["CREATE"] }),
  asked("beta", { resources: ["widgets"], apiVersions: ["v1beta1"], apiGroups: ["*"] }),
  asked("cluster", { resources: ["*"], scope: "Cluster", operations: ["CREATE"] }),
  asked("secrets", { resources: ["secrets/*"], scope: "Namespaced" }),
  asked("labelled", {
    resources: ["services"],
    objectSelector: { matchExpressions: [{ key: "tier", operator: "In", values: ["front"] }] },
  }),
  asked("excluding", { resources: ["endpoints"], excludeUsers: ["system:node:*", "group:admins", "root"] }),
  asked("prod", { resources: ["configmaps"], namespaceSelector: { matchLabels: { env: "prod" } } }),
  asked("by-name", {
    resources: ["serviceaccounts"],
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "shop" } },
  }),
];
