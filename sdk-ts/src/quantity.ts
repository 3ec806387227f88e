/** Kubernetes quantities (`500m`, `1.5Gi`, `12e6`), exact: `k8s.io/apimachinery/pkg/api/resource`, without floats. */

type Format = "BinarySI" | "DecimalSI" | "DecimalExponent";

export type QuantityLike = Quantity | string | number | bigint;

/** The smallest part that Kubernetes keeps is a billionth. */
const NANO = 1_000_000_000n;
const KIBI = 1024n;

/** Above every quantity that means something; longer texts are refused before they cost time. */
const MAX_LENGTH = 128;
const MAX_EXPONENT = 100;

/** `Ei` quantities stop at int64, as the API server's do. */
const MAX_BINARY = ((1n << 63n) - 1n) * NANO;

const DECIMAL_SUFFIXES = Object.freeze(["n", "u", "m", "", "k", "M", "G", "T", "P", "E"]);
const BINARY_SUFFIXES = Object.freeze(["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]);

/** An amount of CPU, memory, storage or anything countable. */
export class Quantity {
  // One realm serves many policies: none may change what another one calls.
  static {
    Object.freeze(this.prototype);
    Object.freeze(this);
  }

  readonly #nanos: bigint;
  readonly #format: Format;

  /** Use {@link quantity}. */
  constructor(nanos: bigint, format: Format) {
    this.#nanos = nanos;
    this.#format = format;
    Object.freeze(this);
  }

  /** -1, 0 or 1, as this one is less than, equal to or more than the other. */
  compare(other: QuantityLike): -1 | 0 | 1 {
    const nanos = quantity(other).#nanos;
    return this.#nanos < nanos ? -1 : this.#nanos > nanos ? 1 : 0;
  }

  add(other: QuantityLike): Quantity {
    const operand = quantity(other);
    return new Quantity(this.#nanos + operand.#nanos, this.#formatWith(operand));
  }

  sub(other: QuantityLike): Quantity {
    const operand = quantity(other);
    return new Quantity(this.#nanos - operand.#nanos, this.#formatWith(operand));
  }

  /** As a float, in whole units (cores, bytes): the only operation here that may round. */
  toNumber(): number {
    const whole = this.#nanos / NANO;
    return Number(whole) + Number(this.#nanos - whole * NANO) / 1e9;
  }

  /** The canonical form: no fraction, the largest suffix that fits, in the family that it was written in. */
  toString(): string {
    const isWhole = this.#nanos % NANO === 0n;
    const isSmall = this.#nanos < KIBI * NANO && this.#nanos > -KIBI * NANO;
    // There are no binary suffixes for less than 1Ki, nor for fractions.
    if (this.#format === "BinarySI" && isWhole && !isSmall) return binary(this.#nanos / NANO);
    return decimal(this.#nanos, this.#format === "DecimalExponent");
  }

  toJSON(): string {
    return this.toString();
  }

  /** A sum is written as its first part, but nothing plus 1Gi is 1Gi. */
  #formatWith(operand: Quantity): Format {
    return this.#nanos === 0n ? operand.#format : this.#format;
  }
}

/**
 * Reads a quantity.
 *
 * @throws TypeError when there is none, RangeError when the text is not one.
 */
export function quantity(text: QuantityLike | undefined): Quantity {
  if (text instanceof Quantity) return text;
  if (typeof text === "bigint" || typeof text === "number") return parse(String(text));
  if (typeof text !== "string") throw new TypeError("quantity: there is no quantity");
  return parse(text);
}

function parse(text: string): Quantity {
  if (text.length > MAX_LENGTH) throw invalid(text.slice(0, MAX_LENGTH), "it is too long");
  const [, sign, whole = "", , fraction = "", suffix = ""] =
    /^([+-]?)([0-9]*)(\.([0-9]*))?([A-Za-z][A-Za-z0-9+-]*)?$/.exec(text) ?? [];
  if (sign === undefined || text === "") {
    throw invalid(text, 'expected a number and a suffix, such as "500m", "2" or "1.5Gi"');
  }
  const { base, exponent, ...family } = suffixOf(suffix, text);
  let { format } = family;
  // The API server takes `G` for 0, where its fast path reads the number: `Pi` it refuses.
  if (whole.length + fraction.length === 0 && (base === 2 ? exponent > 40 : exponent < -9)) {
    throw invalid(text, 'expected a number and a suffix, such as "500m", "2" or "1.5Gi"');
  }
  const digits = BigInt(`0${whole}${fraction}`);
  const down = 10n ** BigInt(fraction.length);
  let nanos: bigint;
  if (base === 2) {
    nanos = divideUp((digits * NANO) << BigInt(exponent), down);
    if (nanos > MAX_BINARY) nanos = MAX_BINARY;
    // There is no binary suffix for parts of one.
    if (nanos < NANO) format = "DecimalSI";
  } else {
    const up = exponent + 9;
    nanos = up >= 0 ? divideUp(digits * 10n ** BigInt(up), down) : divideUp(digits, down * 10n ** BigInt(-up));
  }
  return new Quantity(sign === "-" ? -nanos : nanos, format);
}

function suffixOf(suffix: string, text: string): { base: 2 | 10; exponent: number; format: Format } {
  const decimalAt = DECIMAL_SUFFIXES.indexOf(suffix);
  if (decimalAt >= 0) return { base: 10, exponent: (decimalAt - 3) * 3, format: "DecimalSI" };
  const binaryAt = BINARY_SUFFIXES.indexOf(suffix);
  if (binaryAt > 0) return { base: 2, exponent: binaryAt * 10, format: "BinarySI" };
  const [, power] = /^[eE]([+-]?[0-9]+)$/.exec(suffix) ?? [];
  if (power === undefined) {
    throw invalid(text, `"${suffix}" is not one of n u m k M G T P E Ki Mi Gi Ti Pi Ei, nor an exponent like e3`);
  }
  const exponent = Number(power);
  if (Math.abs(exponent) > MAX_EXPONENT) throw invalid(text, "its exponent is out of range");
  return { base: 10, exponent, format: "DecimalExponent" };
}

/** Kubernetes never rounds a request down: less than a billionth still is a billionth. */
function divideUp(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by;
}

function decimal(nanos: bigint, scientific: boolean): string {
  if (nanos === 0n) return "0";
  let value = nanos;
  let exponent = -9;
  const most = scientific ? Infinity : 18;
  while (exponent < most && value % 1000n === 0n) {
    value /= 1000n;
    exponent += 3;
  }
  if (!scientific) return `${String(value)}${DECIMAL_SUFFIXES[exponent / 3 + 3] ?? ""}`;
  return exponent === 0 ? String(value) : `${String(value)}e${String(exponent)}`;
}

function binary(whole: bigint): string {
  let value = whole;
  let power = 0;
  while (power < BINARY_SUFFIXES.length - 1 && value % KIBI === 0n) {
    value /= KIBI;
    power += 1;
  }
  return `${String(value)}${BINARY_SUFFIXES[power] ?? ""}`;
}

function invalid(text: string, reason: string): RangeError {
  return new RangeError(`quantity: ${JSON.stringify(text)} is not a quantity: ${reason}`);
}
