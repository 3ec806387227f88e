/** What policies may reach in a test: an inventory in memory, and the answers that a case gives. Denied by default. */

import type { FetchOptions, LabelSelector } from "../context.ts";
import type { PolicyMetadata } from "../policy.ts";
import type { Selector } from "../selector.ts";
import type { Case, PatchOperation, Write } from "./case.ts";
import { ledgerOf, type ClaimCall, type ReserveCall } from "./ledger.ts";
import { merged, patched } from "./patch.ts";
import type { HostAnswer, Native } from "./runtime.ts";
import { selectorOf } from "./selector-text.ts";
import type { World } from "./world.ts";

/** The engine's own bound on the calls of one run. */
const MAX_CALLS = 1_000;

interface Call {
  apiVersion?: string;
  kind?: string;
  namespace?: string;
  name?: string;
  labelSelector?: LabelSelector | string;
  index?: unknown;
  object?: Call & { metadata?: { name?: string; namespace?: string } };
  patch?: unknown;
  path?: string;
  url?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** Thrown into the policy as an error of that reason. */
class Refusal extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface Host extends Native {
  /** The policy that runs from now on, with calls of its own. */
  readonly serve: (policy: PolicyMetadata, isDryRun: boolean) => void;
  readonly writes: Write[];
}

export function hostOf(one: Case, world: World): Host {
  let policy: PolicyMetadata = {};
  let isDryRun = false;
  let calls = 0;
  const writes: Write[] = [];
  const ledger = ledgerOf(one);
  const answer = (work: () => unknown): HostAnswer => {
    try {
      calls += 1;
      if (calls > MAX_CALLS) throw new Refusal("LimitExceeded", "more than 1000 host calls in one run");
      const found = work();
      return found === undefined ? undefined : JSON.stringify(found);
    } catch (error) {
      return told(error);
    }
  };
  const read = (call: Call) => readable(policy, call);
  return {
    writes,
    serve(next, dryRun) {
      policy = next;
      isDryRun = dryRun;
      calls = 0;
    },
    said: () => undefined,
    call: (operation, request) =>
      answer(() => {
        const call = JSON.parse(request) as Call;
        switch (operation) {
          case "get":
            return get(world, read({ ...call, kind: `${call.apiVersion ?? ""}/${call.kind ?? ""}` })[0] ?? "", call);
          case "list":
            return list(
              world,
              readable(policy, { ...call, kind: `${call.apiVersion ?? ""}/${call.kind ?? ""}` }, true),
              call,
            );
          case "env":
            return variable(policy, one, call.name ?? "");
          case "readFile":
            return file(policy, one, call.path ?? "");
          default:
            throw new Refusal("WrongArguments", `there is no host function "${operation}"`);
        }
      }),
    async start(operation, request) {
      const call = JSON.parse(request) as Call;
      if (operation === "fetch") {
        try {
          return JSON.stringify(await fetched(policy, one, call));
        } catch (error) {
          return told(error);
        }
      }
      if (operation === "reserve" || operation === "claim") {
        return answer(() => {
          const { key } = call as unknown as ReserveCall;
          const covers = (pattern: string) =>
            pattern.endsWith("*") ? key.startsWith(pattern.slice(0, -1)) : pattern === key;
          permit(policy, "quota", key, `reserve under the key ${key}`, covers);
          const books = !isDryRun && one.vantage !== "virtual";
          return operation === "reserve"
            ? ledger.reserve(call as unknown as ReserveCall, books)
            : ledger.claim(call as unknown as ClaimCall, books);
        });
      }
      return answer(() => {
        const write = writeOf(operation as Write["op"], call, isDryRun);
        const kind = `${write.apiVersion}/${write.kind}`;
        permit(policy, "write", kind, `write ${kind}`, (pattern) => coversKind(pattern, kind));
        const answered = answerOf(world, write);
        writes.push(write);
        return answered;
      });
    },
  };
}

function told(error: unknown): HostAnswer {
  if (error instanceof Refusal) return [error.reason, error.message];
  return ["WrongArguments", error instanceof Error ? error.message : String(error)];
}

type Grant = "read" | "write" | "net" | "env" | "files" | "quota";

function permit(
  policy: PolicyMetadata,
  list: Grant,
  name: string,
  action: string,
  covers: (pattern: string) => boolean,
): void {
  const granted = policy.permissions?.[list] ?? [];
  if (granted.some((pattern) => pattern === "*" || covers(pattern))) return;
  const mend = `add ${list}: [${JSON.stringify(name)}] to its permissions`;
  throw new Refusal("PermissionDenied", `policy ${JSON.stringify(policy.name ?? "")} may not ${action}: ${mend}`);
}

/** `apps/v1/*` covers every kind of its group and version. */
function coversKind(pattern: string, kind: string): boolean {
  const at = pattern.lastIndexOf("/");
  const [group, name] = [pattern.slice(0, at), pattern.slice(at + 1)];
  return at > 0 && kind.slice(0, kind.lastIndexOf("/")) === group && (name === "*" || kind.endsWith(`/${name}`));
}

/** The kind, and for a list also what it is a list of, as far as they may be read. */
function readable(policy: PolicyMetadata, { kind = "" }: Call, isList = false): string[] {
  const item = kind.endsWith("List") && !kind.endsWith("/List") ? kind.slice(0, -"List".length) : undefined;
  const kinds = isList && item !== undefined ? [item, kind] : [kind];
  let refusal: unknown;
  const allowed = kinds.filter((one) => {
    if (!/^(?:[a-z0-9.-]+\/)?[a-z0-9-]+\/[A-Za-z][A-Za-z0-9-]*$/.test(one)) {
      throw new Refusal("BadRequest", `${JSON.stringify(one)} is not a kind such as v1/Pod`);
    }
    try {
      permit(policy, "read", one, `read ${one}`, (pattern) => coversKind(pattern, one));
      return true;
    } catch (error) {
      refusal ??= error;
      return false;
    }
  });
  if (allowed.length === 0) throw refusal;
  return allowed;
}

function get(world: World, kind: string, { namespace = "", name = "" }: Call): unknown {
  if (name === "" || /[/%]/.test(name)) throw new Refusal("BadRequest", `${JSON.stringify(name)} is not a name`);
  const found = world.find(kind, namespace, name);
  if (found === undefined && namespace === "" && world.isNamespaced(kind)) {
    throw new Refusal("NamespaceRequired", `${kind} lives in a namespace: name the namespace too`);
  }
  return found;
}

function list(world: World, kinds: readonly string[], { namespace, labelSelector, index }: Call): unknown {
  if (index !== undefined) throw new Refusal("WrongArguments", "list: unknown field `index`");
  const wanted = selecting(labelSelector);
  const kind = kinds.find((one) => world.has(one));
  if (kind === undefined) return [];
  return world
    .list(kind, namespace === "" ? undefined : namespace)
    .filter((object) => wanted.matches(object.metadata?.labels));
}

function selecting(given: Call["labelSelector"]): Selector {
  try {
    return selectorOf(given);
  } catch (error) {
    throw new Refusal("WrongArguments", `list: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function variable(policy: PolicyMetadata, one: Case, name: string): unknown {
  permit(policy, "env", name, `read the environment variable ${name}`, (pattern) => pattern === name);
  return Object.hasOwn(one.env ?? {}, name) ? one.env?.[name] : undefined;
}

function file(policy: PolicyMetadata, one: Case, path: string): unknown {
  const isInside = (pattern: string) => pattern === path || (pattern.endsWith("/") && path.startsWith(pattern));
  permit(
    policy,
    "files",
    path,
    `read the file ${path}`,
    (pattern) => isInside(pattern) && !path.split("/").includes(".."),
  );
  if (!Object.hasOwn(one.files ?? {}, path))
    throw new Refusal("ReadFailed", `cannot read ${path}: give it in \`files\``);
  return one.files?.[path];
}

function writeOf(op: Write["op"], call: Call, dryRun: boolean): Write {
  const { object } = call;
  const { apiVersion = "", kind = "", namespace, name } = object === undefined ? call : referenceOf(object);
  const isGiven = op === "create" || op === "update" || op === "apply";
  return {
    op,
    apiVersion,
    kind,
    ...(namespace === undefined || namespace === "" ? {} : { namespace }),
    ...(name === undefined || name === "" ? {} : { name }),
    ...(isGiven ? { object } : {}),
    ...(op === "patch" ? { patch: call.patch } : {}),
    dryRun,
  };
}

/** What the API server would answer. What is written is not read back: a server's reads come from a cache. */
function answerOf(world: World, write: Write): unknown {
  const { op, namespace = "", name = "" } = write;
  const kind = `${write.apiVersion}/${write.kind}`;
  const found = world.find(kind, namespace, name);
  if (op === "create") {
    if (found !== undefined) throw new Refusal("AlreadyExists", `${kind} ${JSON.stringify(name)} already exists`);
    return write.object;
  }
  if (op === "apply") return merged(found ?? {}, write.object);
  if (found === undefined) {
    throw new Refusal(
      "NotFound",
      `${kind} ${JSON.stringify(name)} not found; put it into the \`inventory\` of the case`,
    );
  }
  if (op === "remove") return { apiVersion: "v1", kind: "Status", status: "Success" };
  if (op === "update") return write.object;
  if (Array.isArray(write.patch)) return patched(found, write.patch as PatchOperation[]);
  if (typeof write.patch === "object" && write.patch !== null) return merged(found, write.patch);
  throw new Refusal("WrongArguments", "patch: patch is neither an object nor an array of operations");
}

function referenceOf({ apiVersion, kind, metadata }: NonNullable<Call["object"]>): Call {
  if (apiVersion === undefined || kind === undefined)
    throw new Refusal("WrongArguments", "the object has no apiVersion or kind");
  return {
    apiVersion,
    kind,
    ...(metadata?.namespace === undefined ? {} : { namespace: metadata.namespace }),
    ...(metadata?.name === undefined ? {} : { name: metadata.name }),
  };
}

async function fetched(policy: PolicyMetadata, one: Case, { url = "", method, headers, body }: Call): Promise<unknown> {
  const found = /^(https?):\/\/(?:[^/?#@]*@)?([^/?#:]+|\[[^\]]+\])(?::([0-9]+))?/.exec(url);
  if (found === null) throw new Refusal("WrongArguments", `fetch: ${JSON.stringify(url)} is not an http or https URL`);
  const [, scheme, host = "", given] = found;
  const port = given ?? (scheme === "https" ? "443" : "80");
  const covers = (pattern: string) => {
    const [, name = pattern, wanted] = /^(.*?)(?::([0-9]+))?$/.exec(pattern) ?? [];
    const isHost = name.startsWith("*.") ? host.endsWith(name.slice(1)) : host === name;
    return isHost && (wanted === undefined || wanted === port);
  };
  permit(policy, "net", host, `fetch from ${host}`, covers);
  if (one.fetch === undefined)
    throw new Refusal("FetchFailed", `there is no network here: give the case a \`fetch\` that answers ${url}`);
  const options: FetchOptions = {
    ...(method === undefined ? {} : { method }),
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body }),
  };
  const { status = 200, headers: received = {}, body: content = "" } = await one.fetch(url, options);
  return { status, statusText: "", headers: received, body: content };
}
