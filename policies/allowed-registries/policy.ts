import { containers, image, policy } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

type Parameters = { registries: string[] };

export default policy<Pod, Parameters>({
  name: "allowed-registries.images.bylaw.dev",
  title: "Images come from known registries",
  description: "Whoever runs a registry decides what its images do.",
  category: "Supply chain",
  severity: "high",
  match: { resources: ["pods", "pods/ephemeralcontainers"], operations: ["CREATE", "UPDATE"], workloads: true },
  parameters: {
    schema: {
      type: "object",
      properties: {
        registries: {
          description: "A registry, or a registry and the beginning of a repository's path",
          type: "array",
          items: { type: "string" },
          default: ["docker.io", "ghcr.io", "quay.io", "registry.k8s.io"],
        },
      },
    },
  },

  validate({ object, parameters, deny }) {
    for (const { image: reference, field } of containers(object)) {
      if (reference === undefined) continue;
      const { registry, repository } = image(reference);
      const place = `${registry}/${repository}/`;
      if (!parameters.registries.some((allowed) => place.startsWith(`${allowed}/`))) {
        deny(`image ${reference} is not from an allowed registry`, { field: `${field}.image` });
      }
    }
  },
});
