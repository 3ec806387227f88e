// Pods, and the pods that workloads make.
import { containers, policy } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

const match = { resources: ["pods"], operations: ["CREATE" as const, "UPDATE" as const], workloads: true };

export default [
  policy<Pod>({
    name: "fills.corpus.example",
    match,
    mutate({ object }) {
      for (const container of object.spec?.containers ?? []) container.imagePullPolicy ??= "Always";
      if (object.metadata?.labels?.["team"] !== undefined)
        object.metadata = { ...object.metadata, annotations: { seen: "yes" } };
    },
  }),
  policy<Pod>({
    name: "judges.corpus.example",
    match,
    validate({ object, oldObject, template, warn, deny }) {
      warn(JSON.stringify([object.kind, object.metadata?.namespace, oldObject?.kind ?? null, template ?? null]));
      for (const { container, field } of containers(object)) {
        if (container.image === "bad") deny("bad image", { field: `${field}.image` });
      }
    },
  }),
];
