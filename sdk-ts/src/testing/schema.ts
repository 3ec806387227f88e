/** The JSON Schema that parameters are written in. What is not known here is left to the engine. */

import { deepEqual, shown } from "./json.ts";

export interface Schema {
  [keyword: string]: unknown;
  default?: unknown;
  items?: Schema;
  properties?: Record<string, Schema>;
}

type Check = (schema: Schema, value: unknown, path: string) => string[];

/** What is wrong with a value, each fault with the path to it. */
export function faultsOf(schema: Schema | boolean, value: unknown, path: string): string[] {
  if (schema === true) return [];
  if (schema === false) return [`${path}: nothing may stand here`];
  return CHECKS.flatMap((check) => check(schema, value, path));
}

const CHECKS: readonly Check[] = Object.freeze([types, values, numbers, strings, arrays, objects, combinations]);

function types(schema: Schema, value: unknown, path: string): string[] {
  if (schema["type"] === undefined) return [];
  const allowed = [schema["type"]].flat() as string[];
  return allowed.some((type) => isOf(type, value))
    ? []
    : [`${path}: ${shown(value)} is not of type ${allowed.join(" or ")}`];
}

function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    case "integer":
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

function values(schema: Schema, value: unknown, path: string): string[] {
  const { enum: allowed } = schema as { enum?: unknown[] };
  const faults: string[] = [];
  if (allowed !== undefined && !allowed.some((one) => deepEqual(one, value))) {
    faults.push(`${path}: ${shown(value)} is not one of ${allowed.map(shown).join(", ")}`);
  }
  if (Object.hasOwn(schema, "const") && !deepEqual(schema["const"], value)) {
    faults.push(`${path}: ${shown(value)} is not ${shown(schema["const"])}`);
  }
  return faults;
}

function numbers(schema: Schema, value: unknown, path: string): string[] {
  if (typeof value !== "number") return [];
  const bound = (keyword: string, breaks: (limit: number) => boolean) => {
    const limit = schema[keyword];
    return typeof limit === "number" && breaks(limit)
      ? [`${path}: ${String(value)} breaks ${keyword} ${String(limit)}`]
      : [];
  };
  return [
    ...bound("minimum", (limit) => value < limit),
    ...bound("maximum", (limit) => value > limit),
    ...bound("exclusiveMinimum", (limit) => value <= limit),
    ...bound("exclusiveMaximum", (limit) => value >= limit),
    ...bound("multipleOf", (limit) => !Number.isInteger(value / limit)),
  ];
}

function strings(schema: Schema, value: unknown, path: string): string[] {
  if (typeof value !== "string") return [];
  const faults = lengths(schema, "Length", Array.from(value).length, path);
  const pattern = schema["pattern"];
  if (typeof pattern === "string" && !new RegExp(pattern, "u").test(value)) {
    faults.push(`${path}: ${shown(value)} does not match ${pattern}`);
  }
  return faults;
}

function lengths(schema: Schema, what: string, length: number, path: string): string[] {
  const [least, most] = [schema[`min${what}`], schema[`max${what}`]];
  if (typeof least === "number" && length < least)
    return [`${path}: has ${String(length)}, at least ${String(least)} are due`];
  if (typeof most === "number" && length > most)
    return [`${path}: has ${String(length)}, at most ${String(most)} are allowed`];
  return [];
}

function arrays(schema: Schema, value: unknown, path: string): string[] {
  if (!Array.isArray(value)) return [];
  const faults = lengths(schema, "Items", value.length, path);
  if (
    schema["uniqueItems"] === true &&
    value.some((one, at) => value.slice(0, at).some((other) => deepEqual(one, other)))
  ) {
    faults.push(`${path}: has the same item twice`);
  }
  const { items } = schema;
  if (items === undefined) return faults;
  return [...faults, ...value.flatMap((item, at) => faultsOf(items, item, `${path}[${String(at)}]`))];
}

function objects(schema: Schema, value: unknown, path: string): string[] {
  if (!isObject(value)) return [];
  const names = Object.keys(value);
  const faults = lengths(schema, "Properties", names.length, path);
  for (const name of (schema["required"] ?? []) as string[]) {
    if (!Object.hasOwn(value, name)) faults.push(`${path}: ${JSON.stringify(name)} is a required property`);
  }
  const properties = schema.properties ?? {};
  const patterns = Object.entries((schema["patternProperties"] ?? {}) as Record<string, Schema>);
  for (const name of names) {
    const own = Object.hasOwn(properties, name) ? properties[name] : undefined;
    const matching = patterns.filter(([pattern]) => new RegExp(pattern, "u").test(name)).map(([, found]) => found);
    const known = own === undefined ? matching : [own, ...matching];
    const others = schema["additionalProperties"] as Schema | boolean | undefined;
    for (const one of known.length > 0 ? known : [others ?? true])
      faults.push(...faultsOf(one, value[name], `${path}.${name}`));
  }
  return faults;
}

function combinations(schema: Schema, value: unknown, path: string): string[] {
  const fits = (one: Schema | boolean) => faultsOf(one, value, path).length === 0;
  const {
    allOf = [],
    anyOf,
    oneOf,
    not,
  } = schema as Record<"allOf" | "anyOf" | "oneOf", Schema[] | undefined> & { not?: Schema };
  const faults = allOf.flatMap((one) => faultsOf(one, value, path));
  if (anyOf !== undefined && !anyOf.some(fits)) faults.push(`${path}: fits none of anyOf`);
  if (oneOf !== undefined && oneOf.filter(fits).length !== 1) faults.push(`${path}: does not fit exactly one of oneOf`);
  if (not !== undefined && fits(not)) faults.push(`${path}: fits what it must not`);
  return faults;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
