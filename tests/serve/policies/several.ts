import { policy } from "@bylaw/sdk";

// Different groups, operations, scopes and timeouts for the rules of webhook configurations.
export default [
  policy({
    name: "maps.policies.example",
    match: { resources: ["configmaps"], operations: ["CREATE", "UPDATE"], apiGroups: [""], apiVersions: ["v1"] },
    timeoutSeconds: 7,
    validate() {},
  }),
  policy({
    name: "pods.policies.example",
    match: { resources: ["pods"], operations: ["CREATE"], scope: "Namespaced", workloads: true },
    validate() {},
  }),
];
