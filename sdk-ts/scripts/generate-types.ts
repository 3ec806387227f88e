/**
 * Turns the OpenAPI v3 documents of a Kubernetes API server into type-only modules, one for each group and version.
 *
 *   npm run generate -- --kubeconfig FILE    of a running server, through kubectl
 *   npm run generate -- FOLDER               of documents kept as files (api/openapi-spec/v3 of k8s.io/kubernetes)
 *
 * A server knows more than the files: which words a field may have. For every group that there is, start it with
 * `--runtime-config=api/all=true --feature-gates=AllAlpha=true,AllBeta=true`.
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

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
}

/** Where a schema's type lives: `io.k8s.api.apps.v1.Deployment` is `Deployment` of `apps/v1`. */
interface Home {
  module: string;
  name: string;
}

const OUT = join(dirname(fileURLToPath(import.meta.url)), "..", "k8s");

/** Types that are written in one way and mean a choice of others. */
const BUILT_IN: Readonly<Record<string, string>> = {
  "io.k8s.apimachinery.pkg.api.resource.Quantity": "string",
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "number | string",
  "io.k8s.apimachinery.pkg.runtime.RawExtension": "Record<string, unknown>",
};

/** Types that no object of a cluster has. */
const LEFT_OUT = "io.k8s.apimachinery.pkg.version.";

function main(args: readonly string[]): void {
  const documents = args[0] === "--kubeconfig" && args[1] !== undefined ? fromServer(args[1]) : fromFolder(args[0]);
  const modules = collect(documents);
  rmSync(OUT, { recursive: true, force: true });
  for (const [module, types] of modules) {
    const file = join(OUT, `${module}.ts`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, print(module, types));
  }
  console.log(`${String(modules.size)} modules`);
}

function fromFolder(folder: string | undefined): Document[] {
  if (folder === undefined) throw new Error("expected a folder of OpenAPI v3 documents, or --kubeconfig FILE");
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return files.map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as Document);
}

function fromServer(kubeconfig: string): Document[] {
  const read = (path: string): unknown =>
    JSON.parse(
      execFileSync("kubectl", ["--kubeconfig", kubeconfig, "get", "--raw", path], { maxBuffer: 2 ** 28 }).toString(),
    );
  const { paths } = read("/openapi/v3") as { paths: Record<string, { serverRelativeURL: string }> };
  return Object.values(paths).map(({ serverRelativeURL }) => read(serverRelativeURL) as Document);
}

function collect(documents: readonly Document[]): Map<string, Map<string, Schema>> {
  const modules = new Map<string, Map<string, Schema>>();
  for (const document of documents) {
    for (const [schemaName, schema] of Object.entries(document.components?.schemas ?? {})) {
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

main(process.argv.slice(2));
