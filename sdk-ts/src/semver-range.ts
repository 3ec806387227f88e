/** Ranges of versions as npm reads them: `^1.2`, `~1.2.3`, `1.x`, `>=1.30 <1.37`, `1.2 - 2.3`, `1 || 2`. */

import { precedence, prereleaseOf, type Release } from "./semver-precedence.ts";

type Operator = "<" | "<=" | ">" | ">=" | "=";

interface Comparator {
  readonly operator: Operator;
  readonly bound: Release;
}

/** What stands between two `||`: all comparators must hold; none at all is `*`. */
type Alternative = readonly Comparator[];

export type Range = readonly Alternative[];

/** A version of which the end may be missing or `x`: then `minor` or `patch` is `undefined`, or even `major`. */
interface Partial {
  readonly major: number | undefined;
  readonly minor: number | undefined;
  readonly patch: number | undefined;
  readonly prerelease: readonly (string | number)[];
  /** Has a number after an `x`. */
  readonly isDisordered: boolean;
}

const MAX_LENGTH = 1024;

/** @throws RangeError when the text is not a range. */
export function parseRange(text: string): Range {
  if (typeof text !== "string") throw new TypeError("semver: there is no range");
  if (text.length > MAX_LENGTH) throw invalid(text);
  const alternatives = text.split("||").map((part) => parseAlternative(part.trim(), text));
  // npm's own reading: beside `*` nothing else counts, not even a prerelease that another alternative names.
  return alternatives.some((comparators) => comparators.length === 0) ? [[]] : alternatives;
}

/** A prerelease is only in a range that names a prerelease of the same major.minor.patch. */
export function includes(range: Range, version: Release): boolean {
  return range.some((comparators) => {
    if (!comparators.every((comparator) => holds(comparator, version))) return false;
    if (version.prerelease.length === 0) return true;
    return comparators.some(
      ({ bound }) =>
        bound.prerelease.length > 0 &&
        bound.major === version.major &&
        bound.minor === version.minor &&
        bound.patch === version.patch,
    );
  });
}

function holds({ operator, bound }: Comparator, version: Release): boolean {
  const order = precedence(version, bound);
  switch (operator) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    case "=":
      return order === 0;
  }
}

function parseAlternative(part: string, text: string): Alternative {
  // `>=0.0.0` is another way to write `*`.
  return parseComparators(part, text).filter(
    ({ operator, bound }) => operator !== ">=" || precedence(bound, release(0, 0, 0)) !== 0,
  );
}

function parseComparators(part: string, text: string): Comparator[] {
  const hyphen = /^(\S+)\s+-\s+(\S+)$/.exec(part);
  if (hyphen !== null) {
    const [, from = "", to = ""] = hyphen;
    return [...atLeast(parsePartial(from, text)), ...atMost(parsePartial(to, text))];
  }
  // An operator may stand apart from its version.
  const words = part.replace(/(~>?|\^|[<>]=?|=)\s+/g, "$1").split(/\s+/);
  return words.filter((word) => word !== "").flatMap((word) => parseWord(word, text));
}

function parseWord(word: string, text: string): Comparator[] {
  const [, operator = "", rest = ""] = /^(~>?|\^|[<>]=?|=)?(.*)$/.exec(word) ?? [];
  const partial = parsePartial(rest, text);
  if (operator.startsWith("~")) {
    return [...atLeast(partial), ...below(partial.minor === undefined ? nextMajor(partial) : nextMinor(partial))];
  }
  if (operator === "^") return [...atLeast(partial), ...below(nextIncompatible(partial))];
  if (partial.isDisordered) throw invalid(text);
  switch (operator) {
    case ">=":
      return atLeast(partial);
    case "<=":
      return atMost(partial);
    case ">":
      return above(partial);
    case "<":
      return before(partial);
    default:
      return partial.patch === undefined
        ? [...atLeast(partial), ...atMost(partial)]
        : [{ operator: "=", bound: floor(partial) }];
  }
}

function parsePartial(text: string, range: string): Partial {
  const found =
    /^[v=]*(0|[1-9][0-9]*|[xX*])(?:\.(0|[1-9][0-9]*|[xX*])(?:\.(0|[1-9][0-9]*|[xX*])(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?)?)?$/.exec(
      text,
    );
  const prerelease = prereleaseOf(found?.[4]);
  if (found === null || prerelease === undefined) throw invalid(range);
  const [major, minor, patch] = [found[1], found[2], found[3]].map((number) => {
    if (number === undefined || /[xX*]/.test(number)) return undefined;
    if (!Number.isSafeInteger(Number(number))) throw invalid(range);
    return Number(number);
  });
  // After an `x` everything is `x`: of a number there, npm makes nothing or an error.
  const isDisordered = (major === undefined && minor !== undefined) || (minor === undefined && patch !== undefined);
  if (major === undefined) return { major, minor: undefined, patch: undefined, prerelease: [], isDisordered };
  if (minor === undefined || patch === undefined)
    return { major, minor, patch: undefined, prerelease: [], isDisordered };
  return { major, minor, patch, prerelease, isDisordered };
}

const NOTHING: Comparator = Object.freeze({ operator: "<", bound: release(0, 0, 0, [0]) });

/** The first version that a partial one means. */
function floor({ major = 0, minor = 0, patch = 0, prerelease }: Partial): Release {
  return release(major, minor, patch, prerelease);
}

function atLeast(partial: Partial): Comparator[] {
  return partial.major === undefined ? [] : [{ operator: ">=", bound: floor(partial) }];
}

function atMost(partial: Partial): Comparator[] {
  if (partial.patch !== undefined) return [{ operator: "<=", bound: floor(partial) }];
  return below(partial.minor === undefined ? nextMajor(partial) : nextMinor(partial));
}

function above(partial: Partial): Comparator[] {
  if (partial.major === undefined) return [NOTHING];
  if (partial.patch !== undefined) return [{ operator: ">", bound: floor(partial) }];
  const next = partial.minor === undefined ? nextMajor(partial) : nextMinor(partial);
  return next === undefined ? [NOTHING] : [{ operator: ">=", bound: next }];
}

function before(partial: Partial): Comparator[] {
  if (partial.major === undefined) return [NOTHING];
  return partial.patch === undefined ? below(floor(partial)) : [{ operator: "<", bound: floor(partial) }];
}

/** Before a version and all of its prereleases; before nothing at all where there is none. */
function below(bound: Release | undefined): Comparator[] {
  return bound === undefined ? [] : [{ operator: "<", bound: { ...bound, prerelease: [0] } }];
}

function nextMajor({ major }: Partial): Release | undefined {
  return major === undefined ? undefined : release(major + 1, 0, 0);
}

function nextMinor({ major, minor }: Partial): Release | undefined {
  return major === undefined || minor === undefined ? undefined : release(major, minor + 1, 0);
}

/** What `^` stops before: a change of the first number that is not zero. */
function nextIncompatible(partial: Partial): Release | undefined {
  const { major, minor, patch } = partial;
  if (major !== 0 || minor === undefined) return nextMajor(partial);
  return minor !== 0 || patch === undefined ? nextMinor(partial) : release(0, 0, patch + 1);
}

function release(major: number, minor: number, patch: number, prerelease: Release["prerelease"] = []): Release {
  return { major, minor, patch, prerelease };
}

function invalid(range: string): RangeError {
  return new RangeError(
    `semver: ${JSON.stringify(range.slice(0, 64))} is not a range such as "^1.2" or ">=1.30 <1.37"`,
  );
}
