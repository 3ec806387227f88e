// Drafts: edited in place, one after another, by priority and then by name.
import { policy } from "@bylaw/sdk";
import type { ConfigMap } from "@bylaw/sdk/k8s/core/v1";

const match = { resources: ["configmaps"], operations: ["CREATE" as const] };

export default [
  policy<ConfigMap>({
    name: "b-edits.corpus.example",
    match,
    mutate({ object }) {
      const data = (object.data ??= {});
      data["order"] = `${data["order"] ?? ""}b`;
      if (data["drop"] !== undefined) delete data["drop"];
      if (data["whole"] !== undefined) object.data = { replaced: "yes" };
      if (data["meta"] !== undefined) object.metadata = { ...object.metadata, labels: { a: "b" } };
    },
  }),
  policy<ConfigMap>({
    name: "a-late.corpus.example",
    priority: 10,
    match,
    mutate({ object, deny }) {
      if (object.data?.["refuse"] !== undefined) deny("refused while mutating");
      if (object.data?.["order"] !== undefined) object.data["order"] += "a";
    },
  }),
  policy<ConfigMap>({
    name: "c-returns.corpus.example",
    match: { ...match, objectSelector: { matchLabels: { returns: "yes" } } },
    mutate: (({ object }: { object: ConfigMap }) => object) as never,
  }),
  policy<ConfigMap>({
    name: "d-dry.corpus.example",
    enforcement: "Dry",
    match,
    mutate({ object }) {
      object.data = { dry: "yes" };
    },
  }),
  policy<ConfigMap>({
    name: "sees.corpus.example",
    match,
    validate({ object, warn }) {
      warn(JSON.stringify(object.data));
    },
  }),
];
