import { policy } from "@bylaw/sdk";

// Each leaves an annotation on whatever it sees.
const matching = (name: string, match: object) =>
  policy({
    name: `${name}.policies.example`,
    match: match as any,
    validate({ audit }) {
      audit("seen", "yes");
    },
  });

const maps = { resources: ["configmaps"] };
const all = { resources: ["*"] };

export default [
  matching("any-resource", all),
  matching("configmaps", maps),
  matching("status", { resources: ["configmaps/status"] }),
  matching("any-sub", { resources: ["configmaps/*"] }),
  matching("any-status", { resources: ["*/status"] }),
  matching("everything", { resources: ["*/*"] }),
  matching("creates", { ...maps, operations: ["CREATE"] }),
  matching("writes", { ...maps, operations: ["UPDATE", "DELETE"] }),
  matching("group", { ...all, apiGroups: ["apps"] }),
  matching("core", { ...all, apiGroups: [""] }),
  matching("version", { ...all, apiVersions: ["v2", "v1beta1"] }),
  matching("cluster", { ...all, scope: "Cluster" }),
  matching("namespaced", { ...all, scope: "Namespaced" }),
  matching("gold", { ...maps, namespaceSelector: { matchLabels: { tier: "gold" } } }),
  matching("not-gold", {
    ...maps,
    namespaceSelector: { matchExpressions: [{ key: "tier", operator: "NotIn", values: ["gold"] }] },
  }),
  matching("by-name", { ...maps, namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "shop" } } }),
  matching("labelled", { ...maps, objectSelector: { matchLabels: { app: "web" } } }),
  matching("unlabelled", { ...maps, objectSelector: { matchExpressions: [{ key: "app", operator: "DoesNotExist" }] } }),
  matching("condition", {
    ...maps,
    operations: ["CREATE"],
    matchConditions: [
      { name: "has-x", expression: "has(object.data) && has(object.data.x)" },
      { name: "not-root", expression: "request.userInfo.username != 'root'" },
    ],
  }),
  matching("condition-list", {
    resources: ["pods"],
    matchConditions: [
      { name: "evil-image", expression: "object.spec.containers.exists(c, c.image.startsWith('evil/'))" },
    ],
  }),
  matching("no-root", { ...maps, excludeUsers: ["root", "system:node:*", "group:admins"] }),
  matching("exact", { ...maps, apiVersions: ["v1"], matchPolicy: "Exact" }),
  matching("virtual", { ...all, vantage: "virtual" }),
  matching("host", { ...maps, vantage: "host" }),
];
