/** Durations as Go and Kubernetes write them (`1h30m`, `500ms`), in whole nanoseconds. */

export type DurationLike = Duration | string;

const NANOSECONDS = Object.freeze({
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
});

/** Go keeps a duration in an int64. */
const MOST = (1n << 63n) - 1n;
const MAX_LENGTH = 128;

/** A length of time. */
export class Duration {
  // One realm serves many policies: none may change what another one calls.
  static {
    Object.freeze(this.prototype);
    Object.freeze(this);
  }

  readonly nanoseconds: bigint;

  /** Use {@link duration}. */
  constructor(nanoseconds: bigint) {
    this.nanoseconds = nanoseconds;
    Object.freeze(this);
  }

  /** What `Date` counts in; a fraction where there are smaller parts. */
  get milliseconds(): number {
    return Number(this.nanoseconds) / 1e6;
  }

  get seconds(): number {
    return Number(this.nanoseconds) / 1e9;
  }

  /** -1, 0 or 1, as this one is shorter than, equal to or longer than the other. */
  compare(other: DurationLike): -1 | 0 | 1 {
    const { nanoseconds } = duration(other);
    return this.nanoseconds < nanoseconds ? -1 : this.nanoseconds > nanoseconds ? 1 : 0;
  }

  add(other: DurationLike): Duration {
    return within(this.nanoseconds + duration(other).nanoseconds);
  }

  sub(other: DurationLike): Duration {
    return within(this.nanoseconds - duration(other).nanoseconds);
  }

  /** Go's form: `1h30m0s`, `1.5s`, `200ms`, `0s`. */
  toString(): string {
    const all = this.nanoseconds < 0n ? -this.nanoseconds : this.nanoseconds;
    const sign = this.nanoseconds < 0n ? "-" : "";
    if (all === 0n) return "0s";
    if (all < NANOSECONDS.us) return `${sign}${String(all)}ns`;
    if (all < NANOSECONDS.ms) return `${sign}${fractional(all, NANOSECONDS.us)}µs`;
    if (all < NANOSECONDS.s) return `${sign}${fractional(all, NANOSECONDS.ms)}ms`;
    const hours = all / NANOSECONDS.h;
    const minutes = (all % NANOSECONDS.h) / NANOSECONDS.m;
    const large = `${hours > 0n ? `${String(hours)}h` : ""}${hours + minutes > 0n ? `${String(minutes)}m` : ""}`;
    return `${sign}${large}${fractional(all % NANOSECONDS.m, NANOSECONDS.s)}s`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/**
 * Reads a duration by the rules of Go's `time.ParseDuration`; what is smaller than a nanosecond is cut off.
 *
 * @throws TypeError when there is none, RangeError when the text is not one.
 */
export function duration(text: DurationLike | undefined): Duration {
  if (text instanceof Duration) return text;
  if (typeof text !== "string") throw new TypeError("duration: there is no duration");
  if (text.length > MAX_LENGTH) throw invalid(text.slice(0, MAX_LENGTH), "it is too long");
  const negative = text.startsWith("-");
  const body = negative || text.startsWith("+") ? text.slice(1) : text;
  if (body === "0") return new Duration(0n);
  if (!/^(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) {
    throw invalid(text, 'expected numbers with units, such as "1h30m", "10s" or "250ms"');
  }
  let total = 0n;
  for (const [, whole = "", fraction = "", unit] of body.matchAll(/([0-9]*)(?:\.([0-9]*))?([a-zµμ]+)/g)) {
    const size = NANOSECONDS[unit as keyof typeof NANOSECONDS];
    total += BigInt(whole) * size + (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
  }
  return within(negative ? -total : total, text);
}

function within(nanoseconds: bigint, text?: string): Duration {
  if (nanoseconds > MOST || nanoseconds < -MOST - 1n) {
    throw invalid(text ?? `${String(nanoseconds)}ns`, "it is longer than 292 years");
  }
  return new Duration(nanoseconds);
}

/** `value / unit` with as many decimals as it takes. */
function fractional(value: bigint, unit: bigint): string {
  const width = String(unit).length - 1;
  const fraction = String(value % unit)
    .padStart(width, "0")
    .replace(/0+$/, "");
  return fraction === "" ? String(value / unit) : `${String(value / unit)}.${fraction}`;
}

function invalid(text: string, reason: string): RangeError {
  return new RangeError(`duration: ${JSON.stringify(text)} is not a duration: ${reason}`);
}
