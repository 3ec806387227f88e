/** Applies patches: of operations (RFC 6902), and merged ones (RFC 7386). */

import type { PatchOperation } from "./case.ts";
import { copy } from "./json.ts";

type Tree = Record<string, unknown> | unknown[];

/** A copy of `document`, changed. @throws RangeError where an operation does not fit. */
export function patched(document: unknown, operations: readonly PatchOperation[]): unknown {
  const holder: { root: unknown } = { root: copy(document) };
  for (const { op, path, from, value } of operations) {
    switch (op) {
      case "add":
      case "replace":
        put(holder, path, copy(value), op === "add");
        break;
      case "remove":
        take(holder, path);
        break;
      case "move":
        put(holder, path, take(holder, from ?? ""), true);
        break;
      case "copy":
        put(holder, path, copy(at(holder, from ?? "")), true);
        break;
      case "test":
        break;
    }
  }
  return holder.root;
}

function placeOf(holder: Tree, path: string): { parent: Tree; key: string } {
  const keys = [
    "root",
    ...path
      .split("/")
      .slice(1)
      .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~")),
  ];
  const key = keys.pop() ?? "";
  const parent = keys.reduce<unknown>((tree, name) => Reflect.get(Object(tree) as object, name), holder);
  if (typeof parent !== "object" || parent === null) throw new RangeError(`patch: there is no ${path}`);
  return { parent: parent as Tree, key };
}

function at(holder: Tree, path: string): unknown {
  const { parent, key } = placeOf(holder, path);
  if (!Object.hasOwn(parent, key)) throw new RangeError(`patch: there is no ${path}`);
  return Reflect.get(parent, key);
}

function put(holder: Tree, path: string, value: unknown, isNew: boolean): void {
  const { parent, key } = placeOf(holder, path);
  if (!isNew) at(holder, path);
  if (!Array.isArray(parent)) {
    Object.defineProperty(parent, key, { value, writable: true, enumerable: true, configurable: true });
  } else if (isNew) {
    const index = key === "-" ? parent.length : Number(key);
    if (!Number.isInteger(index) || index > parent.length) throw new RangeError(`patch: there is no ${path}`);
    parent.splice(index, 0, value);
  } else {
    parent[Number(key)] = value;
  }
}

function take(holder: Tree, path: string): unknown {
  const found = at(holder, path);
  const { parent, key } = placeOf(holder, path);
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else Reflect.deleteProperty(parent, key);
  return found;
}

/** A copy of `target` with a merge patch applied. */
export function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return copy(patch);
  const isObject = typeof target === "object" && target !== null && !Array.isArray(target);
  const fields = new Map(Object.entries(isObject ? (copy(target) as Record<string, unknown>) : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) fields.delete(name);
    else fields.set(name, merged(fields.get(name), value));
  }
  return Object.fromEntries(fields);
}
