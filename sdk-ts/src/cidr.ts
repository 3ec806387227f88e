/** Address ranges, IPv4 and IPv6 (RFC 4632, RFC 4291, text by RFC 5952). */

export type CidrLike = Cidr | string;

type Family = 4 | 6;

interface Address {
  readonly family: Family;
  readonly bits: bigint;
}

/** A range of addresses, such as `10.0.0.0/8`. */
export class Cidr {
  // One realm serves many policies: none may change what another one calls.
  static {
    Object.freeze(this.prototype);
    Object.freeze(this);
  }

  readonly family: Family;
  /** How many leading bits are fixed. */
  readonly prefix: number;
  readonly #first: bigint;
  readonly #last: bigint;

  /** Use {@link cidr}. */
  constructor(family: Family, bits: bigint, prefix: number) {
    const host = BigInt(widthOf(family) - prefix);
    this.family = family;
    this.prefix = prefix;
    this.#first = (bits >> host) << host;
    this.#last = this.#first | ((1n << host) - 1n);
    Object.freeze(this);
  }

  /** The first address. */
  get address(): string {
    return print(this.family, this.#first);
  }

  /**
   * Whether an address, or every address of another range, is in this one. IPv4 and IPv6 never contain one another,
   * not even `::ffff:10.0.0.1` and `10.0.0.0/8`.
   */
  contains(other: CidrLike): boolean {
    const range = rangeOf(other);
    return range.family === this.family && this.#first <= range.#first && range.#last <= this.#last;
  }

  /** Whether the two have any address in common. */
  overlaps(other: CidrLike): boolean {
    const range = rangeOf(other);
    return range.family === this.family && this.#first <= range.#last && range.#first <= this.#last;
  }

  /** The canonical form: bits beyond the prefix are zero. */
  toString(): string {
    return `${this.address}/${String(this.prefix)}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/**
 * Reads `address/prefix`. Bits beyond the prefix may be set and are cleared.
 *
 * @throws TypeError when there is none, RangeError when the text is not one.
 */
export function cidr(text: string | undefined): Cidr {
  if (typeof text !== "string") throw new TypeError("cidr: there is no address range");
  const slash = text.indexOf("/");
  if (slash < 0) throw invalid(text, 'it has no prefix length, such as "/24"');
  const address = parseAddress(text.slice(0, slash), text);
  const prefix = text.slice(slash + 1);
  const length = Number(prefix);
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(prefix) || length > widthOf(address.family)) {
    throw invalid(text, `the prefix length must be from 0 to ${String(widthOf(address.family))}`);
  }
  return new Cidr(address.family, address.bits, length);
}

/** A range, or one address as the range of itself. */
function rangeOf(value: CidrLike): Cidr {
  if (value instanceof Cidr) return value;
  if (typeof value !== "string") throw new TypeError("cidr: there is no address or range");
  if (value.includes("/")) return cidr(value);
  const { family, bits } = parseAddress(value, value);
  return new Cidr(family, bits, widthOf(family));
}

function widthOf(family: Family): number {
  return family === 4 ? 32 : 128;
}

function parseAddress(address: string, text: string): Address {
  if (!address.includes(":")) return { family: 4, bits: parseV4(address, text) };
  return { family: 6, bits: parseV6(address, text) };
}

function parseV4(address: string, text: string): bigint {
  const parts = address.split(".");
  if (parts.length !== 4) throw invalid(text, "an IPv4 address has four numbers");
  let bits = 0n;
  for (const part of parts) {
    // Some read a leading zero as octal, so nobody may write one (CVE-2021-29923).
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) {
      throw invalid(text, `"${part}" is not a number from 0 to 255 without leading zeros`);
    }
    bits = (bits << 8n) | BigInt(part);
  }
  return bits;
}

function parseV6(address: string, text: string): bigint {
  const halves = address.split("::");
  if (halves.length > 2) throw invalid(text, '"::" may stand once');
  const [head = [], tail = []] = halves.map((half, index) => groups(half, index === halves.length - 1, text));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) throw invalid(text, "an IPv6 address has eight groups");
  let bits = 0n;
  for (const group of [...head, ...new Array<bigint>(missing).fill(0n), ...tail]) bits = (bits << 16n) | group;
  return bits;
}

function groups(half: string, isEnd: boolean, text: string): bigint[] {
  if (half === "") return [];
  const parts = half.split(":");
  return parts.flatMap((part, index) => {
    if (isEnd && index === parts.length - 1 && part.includes(".")) {
      const v4 = parseV4(part, text);
      return [v4 >> 16n, v4 & 0xffffn];
    }
    if (!/^[0-9a-fA-F]{1,4}$/.test(part)) throw invalid(text, `"${part}" is not a group of hexadecimal digits`);
    return [BigInt(`0x${part}`)];
  });
}

function print(family: Family, bits: bigint): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((bits >> shift) & 0xffn)).join(".");
  const parts = [7n, 6n, 5n, 4n, 3n, 2n, 1n, 0n].map((at) => Number((bits >> (at * 16n)) & 0xffffn));
  // The form that RFC 5952 asks for an address that carries an IPv4 one.
  if (parts.slice(0, 5).every((part) => part === 0) && parts[5] === 0xffff) {
    return `::ffff:${print(4, bits & 0xffff_ffffn)}`;
  }
  const { start, length } = longestZeros(parts);
  const hex = parts.map((part) => part.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

function longestZeros(parts: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let at = 0; at <= parts.length; at += 1) {
    if (parts[at] === 0) continue;
    if (at - start > best.length) best = { start, length: at - start };
    start = at + 1;
  }
  return best;
}

function invalid(text: string, reason: string): RangeError {
  return new RangeError(`cidr: ${JSON.stringify(text.slice(0, 64))} is not an address range: ${reason}`);
}
