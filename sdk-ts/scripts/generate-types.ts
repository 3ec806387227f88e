/**
 * Turns the OpenAPI v3 documents of a Kubernetes API server into type-only modules, one for each group and version.
 *
 *   npm run generate -- FOLDER    of the servers in it, as `cargo xtask e2e` builds them in the cache folder
 *
 * Everything that the server has is switched on. `test/kubernetes.test.ts` compares what is committed.
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { startApiServer, type ApiServer } from "./api-server.ts";

interface Schema {
  type?: string;
  format?: string;
  $ref?: string;
  allOf?: Schema[];
  oneOf?: Schema[];
  enum?: string[];
  items?: Schema;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  required?: string[];
  "x-kubernetes-group-version-kind"?: { group: string; version: string; kind: string }[];
}

interface Document {
  components?: { schemas?: Record<string, Schema> };
  paths?: Record<string, { parameters?: Parameter[]; get?: Operation }>;
}

interface Operation {
  parameters?: Parameter[];
  "x-kubernetes-action"?: string;
  "x-kubernetes-group-version-kind"?: { group: string; version: string; kind: string };
}

interface Parameter {
  name: string;
  in: string;
  schema?: Schema;
}

/** Where a schema's type lives: `io.k8s.api.apps.v1.Deployment` is `Deployment` of `apps/v1`. */
interface Home {
  module: string;
  name: string;
}

export const OUT = join(dirname(fileURLToPath(import.meta.url)), "..", "k8s");

/** Types that are written in one way and mean a choice of others. */
const BUILT_IN: Readonly<Record<string, string>> = {
  "io.k8s.apimachinery.pkg.api.resource.Quantity": "string",
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "number | string",
  "io.k8s.apimachinery.pkg.runtime.RawExtension": "Record<string, unknown>",
};

/** Types that no object of a cluster has. */
const LEFT_OUT = "io.k8s.apimachinery.pkg.version.";

/** The modules of `sdk-ts/k8s` by their path in it. */
export async function kubernetesTypes(server: ApiServer): Promise<Map<string, string>> {
  const { paths } = (await server.get("/openapi/v3")) as { paths: Record<string, { serverRelativeURL: string }> };
  const documents: Document[] = [];
  for (const { serverRelativeURL } of Object.values(paths))
    documents.push((await server.get(serverRelativeURL)) as Document);
  return new Map([...collect(documents)].map(([module, types]) => [`${module}.ts`, print(module, types)]));
}

async function main(programs: string | undefined): Promise<void> {
  if (programs === undefined) throw new Error("expected the folder of etcd and kube-apiserver");
  const server = await startApiServer(programs);
  try {
    const files = await kubernetesTypes(server);
    rmSync(OUT, { recursive: true, force: true });
    for (const [name, text] of files) {
      mkdirSync(dirname(join(OUT, name)), { recursive: true });
      writeFileSync(join(OUT, name), text);
    }
    console.log(`${String(files.size)} modules`);
  } finally {
    await server.stop();
  }
}

/** What a query can only say as text. */
const OPTIONS: Readonly<Record<string, Schema>> = {
  command: { type: "array", items: { type: "string" } },
  ports: { type: "array", items: { type: "integer" } },
};

/** The objects of CONNECT requests, such as PodExecOptions: only the parameters of their paths tell of them. */
function connections(document: Document): Map<string, Schema> {
  const found = new Map<string, Schema>();
  for (const { parameters = [], get } of Object.values(document.paths ?? {})) {
    const of = get?.["x-kubernetes-group-version-kind"];
    if (get?.["x-kubernetes-action"] !== "connect" || of === undefined) continue;
    const properties: Record<string, Schema> = { apiVersion: { type: "string" }, kind: { type: "string" } };
    for (const { name, in: place, schema = {} } of [...parameters, ...(get.parameters ?? [])]) {
      if (place === "query") properties[name] = OPTIONS[name] ?? schema;
    }
    found.set(`io.k8s.api.core.${of.version}.${of.kind}`, { properties, "x-kubernetes-group-version-kind": [of] });
  }
  return found;
}

function collect(documents: readonly Document[]): Map<string, Map<string, Schema>> {
  const modules = new Map<string, Map<string, Schema>>();
  for (const document of documents) {
    for (const [schemaName, schema] of [
      ...Object.entries(document.components?.schemas ?? {}),
      ...connections(document),
    ]) {
      if (schemaName in BUILT_IN || schemaName.startsWith(LEFT_OUT)) continue;
      const { module, name } = homeOf(schemaName);
      const types = modules.get(module) ?? new Map<string, Schema>();
      modules.set(module, types.set(name, merge(types.get(name), schema)));
    }
  }
  return new Map([...modules].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A type that groups share, such as DeleteOptions, has another apiVersion in each of their documents: then it has none. */
function merge(known: Schema | undefined, schema: Schema): Schema {
  const kindsOf = (of: Schema) => JSON.stringify(of["x-kubernetes-group-version-kind"]);
  if (known === undefined || kindsOf(known) === kindsOf(schema)) return schema;
  return { ...schema, "x-kubernetes-group-version-kind": [] };
}

function homeOf(schemaName: string): Home {
  const [name = "", version = "", group = ""] = schemaName.split(".").reverse();
  return { module: `${group}/${version}`, name };
}

function print(module: string, types: ReadonlyMap<string, Schema>): string {
  const imports = new Map<string, Set<string>>();
  const refer = (schemaName: string): string => {
    const builtIn = BUILT_IN[schemaName];
    if (builtIn !== undefined) return builtIn;
    const home = homeOf(schemaName);
    if (home.module === module) return home.name;
    imports.set(home.module, (imports.get(home.module) ?? new Set()).add(home.name));
    return types.has(home.name) ? aliasOf(home) : home.name;
  };
  const declarations = [...types]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, schema]) => declare(name, schema, refer));
  const lines = [...imports]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([from, names]) => {
      const list = [...names]
        .sort()
        .map((name) => (types.has(name) ? `${name} as ${aliasOf({ module: from, name })}` : name));
      const path = relative(dirname(module), from);
      return `import type { ${list.join(", ")} } from "${path.startsWith(".") ? path : `./${path}`}.ts";\n`;
    });
  const header = `/** Kubernetes ${module}, generated by scripts/generate-types.ts. */\n\n`;
  return `${header}${lines.join("")}${lines.length > 0 ? "\n" : ""}${declarations.join("\n")}`;
}

/** For a type whose name the module has for one of its own. */
function aliasOf({ module, name }: Home): string {
  const [group = "", version = ""] = module.split("/");
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
  return `${capital(group)}${capital(version)}${name}`;
}

function declare(name: string, schema: Schema, refer: (schemaName: string) => string): string {
  if (schema.properties === undefined) return `export type ${name} = ${typeOf(schema, refer)};\n`;
  const kinds = schema["x-kubernetes-group-version-kind"];
  const kind = kinds?.length === 1 ? kinds[0] : undefined;
  const fields = Object.entries(schema.properties).map(([field, value]) => {
    const optional = schema.required?.includes(field) === true ? "" : "?";
    const key = /^[A-Za-z_$][\w$]*$/.test(field) ? field : JSON.stringify(field);
    return `  ${key}${optional}: ${literalOf(field, kind) ?? typeOf(value, refer)};\n`;
  });
  return `export interface ${name} {\n${fields.join("")}}\n`;
}

/** The one value that `apiVersion` and `kind` may have. */
function literalOf(field: string, kind?: { group: string; version: string; kind: string }): string | undefined {
  if (kind === undefined) return undefined;
  if (field === "kind") return JSON.stringify(kind.kind);
  if (field === "apiVersion") return JSON.stringify(kind.group === "" ? kind.version : `${kind.group}/${kind.version}`);
  return undefined;
}

function typeOf(schema: Schema, refer: (schemaName: string) => string): string {
  const [only] = schema.allOf ?? [];
  if (only !== undefined) return typeOf(only, refer);
  if (schema.$ref !== undefined) return refer(schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1));
  if (schema.oneOf !== undefined) return schema.oneOf.map((one) => typeOf(one, refer)).join(" | ");
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  switch (schema.type) {
    case "string":
      return "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "array": {
      const item = typeOf(schema.items ?? {}, refer);
      return item.includes(" ") ? `(${item})[]` : `${item}[]`;
    }
    case "object":
      return typeof schema.additionalProperties === "object"
        ? `Record<string, ${typeOf(schema.additionalProperties, refer)}>`
        : "Record<string, unknown>";
    default:
      return "unknown";
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2]);
