import { containers, image, policy } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

interface Parameters {
  registries: string[];
}

export default policy<Pod, Parameters>({
  name: "%policy%",
  title: "Images come from known registries",
  description: "Containers may only run images of the registries that the parameters name.",
  category: "Supply chain",
  severity: "high",
  match: { resources: ["pods"], operations: ["CREATE", "UPDATE"], workloads: true },
  parameters: {
    schema: {
      type: "object",
      additionalProperties: false,
      properties: { registries: { type: "array", items: { type: "string" }, default: ["registry.example.com"] } },
    },
  },

  validate({ object, parameters, deny }) {
    for (const { image: reference, field } of containers(object)) {
      if (reference === undefined) continue;
      const { registry } = image(reference);
      if (parameters.registries.includes(registry)) continue;
      deny(`image ${reference} comes from ${registry}: use ${parameters.registries.join(" or ")}`, {
        field: `${field}.image`,
      });
    }
  },
});
