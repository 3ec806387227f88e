import { policy } from "@bylaw/sdk";

export default policy({
  name: "protected-objects.cluster.bylaw.dev",
  title: "What is marked is not deleted",
  description: "A namespace, a claim or a CRD takes all that it holds with it.",
  category: "Good order",
  severity: "high",
  match: {
    resources: ["namespaces", "persistentvolumes", "persistentvolumeclaims", "customresourcedefinitions"],
    operations: ["DELETE"],
    objectSelector: { matchLabels: { "bylaw.dev/protected": "true" } },
  },

  validate({ oldObject, request, deny }) {
    const { kind } = request.kind;
    deny(`${kind} ${oldObject?.metadata?.name ?? ""} is protected: take its label bylaw.dev/protected away first`, {
      field: "metadata.labels",
      reason: "Conflict",
      code: 409,
    });
  },
});
