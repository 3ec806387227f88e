import { policy, type Policy } from "@bylaw/sdk";
import type { Namespace } from "@bylaw/sdk/k8s/core/v1";
import { missing, wrong } from "../lib/labels.ts";

interface Parameters {
  labels: string[];
}

const parameters = {
  schema: {
    type: "object",
    additionalProperties: false,
    properties: { labels: { type: "array", items: { type: "string" }, default: ["team", "cost-center"] } },
  },
};

const required: Policy<Namespace, Parameters> = policy<Namespace, Parameters>({
  name: "required-%policy%",
  title: "Namespaces say whose they are",
  description: "Every namespace has the labels that the parameters name.",
  category: "Ownership",
  severity: "medium",
  match: { resources: ["namespaces"], operations: ["CREATE", "UPDATE"] },
  parameters,

  validate({ object, parameters, deny }) {
    for (const label of missing(object.metadata?.labels, parameters.labels)) {
      deny(`label ${label} is missing`, { field: "metadata.labels" });
    }
  },
});

const formed: Policy<Namespace, Parameters> = policy<Namespace, Parameters>({
  name: "formed-%policy%",
  title: "Labels of namespaces are lower case",
  description: "The labels that the parameters name have values in lower case.",
  category: "Ownership",
  severity: "low",
  match: { resources: ["namespaces"], operations: ["CREATE", "UPDATE"] },
  parameters,

  validate({ object, parameters, deny }) {
    for (const label of wrong(object.metadata?.labels, parameters.labels)) {
      deny(`label ${label} must be lower case`, { field: `metadata.labels.${label}` });
    }
  },
});

export default [required, formed];
