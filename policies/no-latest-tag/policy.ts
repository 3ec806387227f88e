import { containers, image, policy } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

export default policy<Pod>({
  name: "no-latest-tag.images.bylaw.dev",
  title: "Images name a version",
  description: "What latest means can change between two restarts of a pod.",
  category: "Supply chain",
  severity: "medium",
  match: { resources: ["pods", "pods/ephemeralcontainers"], operations: ["CREATE", "UPDATE"], workloads: true },

  validate({ object, deny }) {
    for (const { image: reference, field } of containers(object)) {
      if (reference === undefined) continue;
      const { tag = "latest", digest } = image(reference);
      if (tag === "latest" && digest === undefined) {
        deny(`image ${reference} must name a version: a tag other than latest, or a digest`, {
          field: `${field}.image`,
        });
      }
    }
  },
});
