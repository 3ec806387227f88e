/** The ledger in a test: what a case says is reserved, and what its policies reserve. The same answers as `src/ledger`. */

import type { Claim, Reservation } from "../context.ts";
import { quantity, type Quantity } from "../quantity.ts";
import type { Case } from "./case.ts";

interface Pointer {
  apiVersion: string;
  kind: string;
  namespace: string;
  name: string;
  uid: string;
  resourceVersion: string;
}

type Texts = Record<string, string>;

export interface ReserveCall {
  key: string;
  object: Pointer;
  amounts: Texts;
  limits: Texts;
  used: { object: Pointer; amounts: Texts }[];
  ttl?: number;
}

export interface ClaimCall {
  key: string;
  object: Pointer;
  names: string[];
  owner: string;
  taken: { object: Pointer; name: string; owner: string }[];
  ttl?: number;
}

interface Entry {
  key: string;
  /** Of this request, or of another before it. */
  isOwn: boolean;
  object: Pointer | undefined;
  amounts: Map<string, Quantity>;
  names: Set<string>;
  owner: string;
}

export interface Ledger {
  /** @throws RangeError or TypeError for wrong arguments. */
  reserve(call: ReserveCall, books: boolean): Reservation;
  claim(call: ClaimCall, books: boolean): Claim;
}

const ZERO = quantity(0);

export function ledgerOf(one: Case): Ledger {
  const entries: Entry[] = (one.ledger ?? []).map(({ key, amounts = {}, names = [], owner = "" }) => ({
    key,
    isOwn: false,
    object: undefined,
    amounts: new Map(Object.entries(amounts).map(([resource, amount]) => [resource, quantity(amount)])),
    names: new Set(names.map(hostName)),
    owner,
  }));
  const ownOf = (key: string, object: Pointer, owner: string): Entry => {
    const known = entries.find((entry) => entry.isOwn && entry.key === key);
    if (known !== undefined) return known;
    const made = { key, isOwn: true, object, amounts: new Map<string, Quantity>(), names: new Set<string>(), owner };
    entries.push(made);
    return made;
  };
  return {
    reserve(call, books) {
      check(call);
      const limits = read("limits", call.limits);
      const amounts = read("amounts", call.amounts);
      const used = call.used.map((one) => ({ object: one.object, amounts: read("used", one.amounts) }));
      const others = entries.filter((entry) => entry.key === call.key && !entry.isOwn);
      const exceeded: Reservation["exceeded"][number][] = [];
      const now: Texts = {};
      const remaining: Texts = {};
      let isMore = false;
      for (const [resource, limit] of limits) {
        const of = (has: Map<string, Quantity>) => has.get(resource) ?? ZERO;
        const total = [...used, ...others].reduce((sum, entry) => sum.add(of(entry.amounts)), ZERO);
        const own = of(used.find((one) => isSame(one.object, call.object))?.amounts ?? new Map<string, Quantity>());
        const wanted = of(amounts);
        isMore ||= wanted.compare(own) > 0;
        if (wanted.compare(own) > 0 && total.sub(own).add(wanted).compare(limit) > 0) {
          const requested = wanted.sub(own);
          exceeded.push({ resource, requested: String(requested), used: String(total), limit: String(limit) });
        }
        now[resource] = String(total);
        remaining[resource] = String(total.compare(limit) > 0 ? ZERO : limit.sub(total));
      }
      const allowed = exceeded.length === 0;
      if (allowed && isMore && books) {
        const kept = ownOf(call.key, call.object, "").amounts;
        for (const [resource, amount] of amounts) {
          const known = kept.get(resource) ?? ZERO;
          if (limits.has(resource)) kept.set(resource, known.compare(amount) > 0 ? known : amount);
        }
      }
      const words = exceeded.map(
        ({ resource, requested, used, limit }) =>
          `${resource}: requested ${requested}, used ${used}, limited to ${limit}`,
      );
      const message = allowed ? "" : `exceeded quota: ${words.join("; ")}`;
      const limit = Object.fromEntries([...limits].map(([resource, amount]) => [resource, String(amount)]));
      return { allowed, used: now, limit, remaining, exceeded, message };
    },
    claim(call, books) {
      check(call);
      if (call.owner === "") throw new TypeError("owner: must be a name");
      const names = call.names.map(hostName);
      const taken = call.taken
        .filter(({ object, owner }) => owner !== call.owner && !isSame(object, call.object))
        .flatMap(({ name }) => hostNameOrNone(name));
      const reserved = entries.filter((entry) => entry.key === call.key && !entry.isOwn && entry.owner !== call.owner);
      const others = [...taken, ...reserved.flatMap((entry) => [...entry.names])];
      const conflicts = names.filter((name) => others.some((other) => overlap(name, other)));
      if (conflicts.length === 0 && books) {
        const kept = ownOf(call.key, call.object, call.owner).names;
        for (const name of names) kept.add(name);
      }
      const are = conflicts.length === 1 ? "is" : "are";
      const message = conflicts.length === 0 ? "" : `${conflicts.join(", ")} ${are} already in use`;
      return { allowed: conflicts.length === 0, conflicts, message };
    },
  };
}

function check({ key, ttl }: { key: string; ttl?: number }): void {
  if (key === "" || key.length > 256) throw new TypeError("key: must be a text of 1 to 256 bytes");
  if (ttl !== undefined && !(ttl >= 1 && ttl <= 3_600)) throw new RangeError("ttl: must be from 1 to 3600 seconds");
}

function read(field: string, amounts: Texts): Map<string, Quantity> {
  return new Map(
    // In the engine's order.
    Object.entries(amounts)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([resource, text]) => {
        const amount = quantity(text);
        if (amount.compare(0) < 0) throw new RangeError(`${field}.${resource}: ${text} is less than nothing`);
        return [resource, amount];
      }),
  );
}

function isSame(one: Pointer, other: Pointer): boolean {
  if (one.uid !== "" && other.uid !== "") return one.uid === other.uid;
  const place = ({ apiVersion, kind, namespace, name }: Pointer) =>
    JSON.stringify([apiVersion.includes("/") ? apiVersion.split("/")[0] : "", kind, namespace, name]);
  return one.name !== "" && place(one) === place(other);
}

/** As a browser reads a host, IDNA included, without the port and the dot at the end. */
function hostName(text: string): string {
  const refuse = () => new TypeError(`names: ${JSON.stringify(text)} is not a host name`);
  const [, bare = text] = /^([^:]*|\[.*\]):[0-9]+$/.exec(text) ?? [];
  if (bare === "" || bare === "*") {
    if (bare !== text) throw refuse();
    return "*";
  }
  const wildcard = bare.startsWith("*.") ? "*." : "";
  const rest = bare.slice(wildcard.length);
  if (/[*%/?#@\\\s]/.test(rest) || (rest.includes(":") && !rest.startsWith("["))) throw refuse();
  const { URL } = globalThis as unknown as { URL: new (url: string) => { hostname: string } };
  let name: string;
  try {
    name = new URL(`http://${rest}`).hostname.replace(/\.$/, "");
  } catch {
    throw refuse();
  }
  const isAddress = /^[0-9.]+$/.test(name) || name.startsWith("[");
  if (name === "" || name.length > 253 || (wildcard !== "" && isAddress)) throw refuse();
  return `${wildcard}${name}`;
}

/** What somebody else was let have before is no reason to fail, if it is no name at all. */
function hostNameOrNone(text: string): string[] {
  try {
    return [hostName(text)];
  } catch {
    return [];
  }
}

function overlap(one: string, other: string): boolean {
  const covers = (wide: string, name: string) => {
    if (wide === "*") return true;
    if (!wide.startsWith("*")) return false;
    const bare = name.replace(/^\*/, "");
    return bare.length > wide.length - 1 && bare.endsWith(wide.slice(1));
  };
  return one === other || covers(one, other) || covers(other, one);
}
