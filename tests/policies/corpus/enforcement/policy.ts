// The same denial and the same failure under each enforcement and failure mode.
import { policy, type Policy } from "@bylaw/sdk";
import type { ConfigMap } from "@bylaw/sdk/k8s/core/v1";

type Mode = { enforcement?: "Deny" | "Warn" | "Dry"; onError?: "Deny" | "Allow" };

const judge = (name: string, mode: Mode): Policy<ConfigMap> =>
  policy<ConfigMap>({
    name: `${name}.corpus.example`,
    match: { resources: ["configmaps"], objectSelector: { matchLabels: { judge: name } } },
    ...mode,
    validate({ object, deny, warn, audit }) {
      if (object.data?.["fail"] === "yes") throw new Error("broken");
      warn("a warning");
      audit("key", "value");
      deny("no", { field: "data", code: 409, reason: "Conflict" });
    },
  });

export default [
  judge("strict", {}),
  judge("warning", { enforcement: "Warn" }),
  judge("dry", { enforcement: "Dry" }),
  judge("lenient", { onError: "Allow" }),
];
