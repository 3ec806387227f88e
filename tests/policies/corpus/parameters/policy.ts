// Parameters: the schema's defaults are filled in, and what a policy gets is frozen.
import { policy } from "@bylaw/sdk";
import type { ConfigMap } from "@bylaw/sdk/k8s/core/v1";

type Parameters = { words: string[]; limit: number; window: { hours: number }; rules: { mode: string }[] };

export default policy<ConfigMap, Parameters>({
  name: "parameters.corpus.example",
  match: { resources: ["configmaps"] },
  parameters: {
    schema: {
      type: "object",
      additionalProperties: false,
      properties: {
        words: { type: "array", items: { type: "string", pattern: "^[a-z]+$" }, default: ["a"] },
        limit: { type: "integer", minimum: 1, default: 3 },
        window: { type: "object", properties: { hours: { type: "integer", default: 8 } }, default: {} },
        rules: {
          type: "array",
          items: { type: "object", properties: { mode: { type: "string", default: "soft" } } },
          default: [],
        },
      },
    },
  },
  validate({ parameters, warn }) {
    const { words, limit, window, rules } = parameters;
    warn(JSON.stringify([words, limit, window, rules, Object.isFrozen(parameters), Object.isFrozen(rules)]));
  },
});
