/** Merges what policies said into the answer that the API server would get: the engine's `src/decision`. */

import type { PolicyMetadata } from "../policy.ts";
import type { Cause } from "./case.ts";
import type { Denial, Requeue } from "./runtime.ts";

/** Denials that the message spells out, causes that are listed. */
const MOST_LINES = 10;
const MOST_CAUSES = 100;
/** In bytes. */
const LONGEST_LINE = 4_096;
const LONGEST_CAUSE = 1_024;
const LONGEST_WARNING = 256;
const ALL_WARNINGS = 4_096;
const LAST_LINE = 32;
const MOST_ANNOTATIONS = 64;
const LONGEST_VALUE = 10_240;
const LONGEST_NAME = 63;

/** What one policy said. */
export interface Verdict {
  readonly policy: PolicyMetadata;
  readonly denials: readonly Denial[];
  readonly warnings: readonly string[];
  readonly audits: readonly (readonly [key: string, value: string])[];
  /** Why it failed, and what kind of failure that is. */
  readonly error?: { readonly cause: string; readonly message: string };
  /** Whether and when a controller wants to see its object again. */
  readonly requeue?: Requeue;
}

export interface Decision {
  allowed: boolean;
  message: string;
  code?: number;
  reason?: string;
  causes: Cause[];
  warnings: string[];
  audit: Record<string, string>;
}

/** Whether this verdict alone denies the request. */
export function deniesAlone({ policy, denials, error }: Verdict): boolean {
  if ((policy.enforcement ?? "Deny") !== "Deny") return false;
  return denials.length > 0 || (error !== undefined && policy.onError !== "Allow");
}

export function merge(verdicts: readonly Verdict[]): Decision {
  const merger = new Merger();
  for (const verdict of verdicts) merger.take(verdict);
  return merger.decision();
}

class Merger {
  readonly #lines: string[] = [];
  #more = 0;
  #first: { code: number; reason: string; isFailure: boolean } | undefined;
  readonly #causes: Cause[] = [];
  readonly #warnings: string[] = [];
  #warned = 0;
  #unwarned = 0;
  readonly #audit: Record<string, string> = {};

  take({ policy, denials, warnings, audits, error }: Verdict): void {
    const name = policy.name ?? "";
    for (const warning of warnings) this.#warn(name, warning);
    for (const [key, value] of audits) this.#annotate(name, key, value);
    if (error === undefined) for (const denial of denials) this.#deny(policy, denial);
    else this.#fail(policy, error);
  }

  decision(): Decision {
    const { code, reason } = this.#first ?? {};
    const lines = this.#more > 0 ? [...this.#lines, `and ${String(this.#more)} more`] : this.#lines;
    const unwarned = this.#unwarned > 0 ? [`and ${String(this.#unwarned)} more warnings`] : [];
    return {
      allowed: code === undefined,
      message: lines.join("; "),
      ...(code === undefined || reason === undefined ? {} : { code, reason }),
      causes: this.#causes,
      warnings: [...this.#warnings, ...unwarned],
      audit: this.#audit,
    };
  }

  #deny({ name = "", enforcement = "Deny" }: PolicyMetadata, denial: Denial): void {
    if (enforcement === "Dry") return;
    if (enforcement === "Warn") {
      this.#warn(name, denial.message);
      return;
    }
    if (this.#first === undefined || this.#first.isFailure) {
      this.#first = { code: denial.code ?? 403, reason: denial.reason ?? "Forbidden", isFailure: false };
    }
    this.#line(name, denial.message);
    this.#cause(denial);
  }

  #fail(
    { name = "", enforcement = "Deny", onError }: PolicyMetadata,
    { cause, message }: NonNullable<Verdict["error"]>,
  ): void {
    const text = `policy failed: ${message}`;
    if (enforcement === "Dry") return;
    if (enforcement === "Warn" || onError === "Allow") {
      this.#warn(name, text);
      if (enforcement !== "Warn") this.#annotate(name, "error", `${cause}: ${message}`);
      return;
    }
    this.#first ??= { code: 500, reason: "InternalError", isFailure: true };
    this.#line(name, text);
    this.#cause({ message: text, reason: "InternalError" });
  }

  #line(name: string, message: string): void {
    if (this.#lines.length === MOST_LINES) this.#more += 1;
    else this.#lines.push(`[${name}] ${paragraph(message, LONGEST_LINE)}`);
  }

  #cause({ message, field, reason = "Forbidden" }: Denial): void {
    if (this.#causes.length >= MOST_CAUSES) return;
    const cause: Cause = { message: paragraph(message, LONGEST_CAUSE), reason };
    if (field !== undefined) cause.field = paragraph(field, LONGEST_CAUSE);
    this.#causes.push(cause);
  }

  #warn(name: string, text: string): void {
    const line = shorten(`[${name}] ${text}`.replace(/\p{Cc}/gu, " "), LONGEST_WARNING);
    if (this.#warned + bytes(line) > ALL_WARNINGS - LAST_LINE) {
      this.#unwarned += 1;
    } else if (!this.#warnings.includes(line)) {
      this.#warned += bytes(line);
      this.#warnings.push(line);
    }
  }

  #annotate(policy: string, key: string, value: string): void {
    const name = nameOf(key);
    const room = Math.max(LONGEST_NAME - name.length - 1, 0);
    const prefix = clip(policy, room).replace(/[.-]+$/, "");
    const qualified = prefix === "" ? name : `${prefix}.${name}`;
    const isKnown = Object.hasOwn(this.#audit, qualified);
    if (isKnown || Object.keys(this.#audit).length < MOST_ANNOTATIONS)
      this.#audit[qualified] = shorten(value, LONGEST_VALUE);
  }
}

/** The name part of a qualified name: what may not stand there becomes `_`. */
function nameOf(key: string): string {
  const name = Array.from(key)
    .slice(0, LONGEST_NAME)
    .map((character) => (/[A-Za-z0-9._-]/.test(character) ? character : "_"));
  return name.join("").replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "") || "annotation";
}

/** Line breaks and tabs kept, other control characters not. */
function paragraph(text: string, limit: number): string {
  return shorten(
    text.replace(/\p{Cc}/gu, (found) => (found === "\n" || found === "\t" ? found : " ")),
    limit,
  );
}

/** Cut at a character, with an ellipsis that counts. */
function shorten(text: string, limit: number): string {
  return bytes(text) <= limit ? text : `${clip(text, limit - bytes("…"))}…`;
}

function clip(text: string, limit: number): string {
  let length = 0;
  let short = "";
  for (const character of text) {
    length += bytes(character);
    if (length > limit) break;
    short += character;
  }
  return short;
}

/** Of UTF-8. */
function bytes(text: string): number {
  let length = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    length += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return length;
}
