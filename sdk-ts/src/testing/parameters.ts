/** Parameters as the engine gives them to a policy: the schema's defaults filled in, then checked against the schema. */

import type { PolicyMetadata } from "../policy.ts";
import { copy } from "./json.ts";
import { faultsOf, type Schema } from "./schema.ts";

/** Levels of a schema that defaults are looked for in. */
const MAX_DEPTH = 32;

/** @throws TypeError that names the fields, where the engine would not load the policy. */
export function parametersOf(policy: PolicyMetadata, given: Record<string, unknown> | undefined): unknown {
  const declared = policy.parameters as { schema?: Schema; default?: Record<string, unknown> } | undefined;
  const parameters = copy({ ...declared?.default, ...given });
  const schema = declared?.schema;
  if (schema === undefined) return parameters;
  fillDefaults(schema, parameters, 0);
  const faults = faultsOf(schema, parameters, "parameters");
  if (faults.length > 0) throw new TypeError(`policy ${policy.name ?? "without a name"}: ${faults.join("; ")}`);
  return parameters;
}

/** As the API server does for custom resources: a default stands in for an absent field, inside objects that are there. */
function fillDefaults(schema: Schema, value: unknown, depth: number): void {
  if (depth > MAX_DEPTH || typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    if (schema.items !== undefined) for (const item of value) fillDefaults(schema.items, item, depth + 1);
    return;
  }
  const fields = value as Record<string, unknown>;
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (!Object.hasOwn(fields, name)) {
      if (!Object.hasOwn(property, "default")) continue;
      fields[name] = copy(property.default);
    }
    fillDefaults(property, fields[name], depth + 1);
  }
}
