import fc from "fast-check";
import npm from "semver";
import { describe, expect, it } from "vitest";
import { semver } from "../src/index.ts";

describe("semver", () => {
  it.each([
    ["1.2.3", "1.2.3"],
    ["v1.36.3", "1.36.3"],
    [" 1.2.3 ", "1.2.3"],
    ["1.0.0-rc.1+build.007", "1.0.0-rc.1+build.007"],
    ["1.0.0--1.-.a-b", "1.0.0--1.-.a-b"],
    ["0.0.0+0-0", "0.0.0+0-0"],
  ])("reads %j as %s", (text, canonical) => {
    expect(semver(text).toString()).toBe(canonical);
  });

  it.each([
    "",
    "1",
    "1.2",
    "1.2.3.4",
    "01.2.3",
    "1.2.03",
    "1.2.3-",
    "1.2.3-01",
    "1.2.3-a..b",
    "1.2.3+",
    "1.2.3+a..b",
    "=1.2.3",
    "vv1.2.3",
    "1.2.x",
    "-1.2.3",
    "1.2.9007199254740992",
    `1.2.3-${"a".repeat(300)}`,
  ])("refuses %j", (text) => {
    expect(npm.parse(text)).toBeNull();
    expect(() => semver(text)).toThrow(RangeError);
  });

  it("says that there is none", () => {
    expect(() => semver(undefined)).toThrow(TypeError);
    expect(() => semver("1.0.0").satisfies(undefined as unknown as string)).toThrow(TypeError);
  });

  it("orders as the specification does", () => {
    const ordered = [
      "1.0.0-alpha",
      "1.0.0-alpha.1",
      "1.0.0-alpha.beta",
      "1.0.0-beta",
      "1.0.0-beta.2",
      "1.0.0-beta.11",
      "1.0.0-rc.1",
      "1.0.0",
      "1.0.1-0",
      "2.0.0",
      "10.0.0",
    ];
    for (const [index, version] of ordered.entries()) {
      for (const [other, than] of ordered.entries()) {
        expect(semver(version).compare(than)).toBe(Math.sign(index - other));
      }
    }
    expect(semver("1.0.0+a").compare("1.0.0+b")).toBe(0);
  });

  const versions = [
    "0.0.0",
    "0.0.1",
    "0.1.2",
    "1.2.3",
    "1.2.4",
    "1.3.0",
    "1.10.0",
    "2.0.0",
    "2.3.4",
    "3.0.0",
    "1.2.3-rc.1",
    "2.0.0-0",
    "1.3.0-alpha",
    "0.0.0-0",
  ];
  it.each([
    "",
    "*",
    "x",
    "1",
    "1.x",
    "1.2.x",
    "1.2.*",
    "=1.2.3",
    "v1.2.3",
    "^1",
    "^1.2",
    "^1.2.3",
    "^0.1.2",
    "^0.0.1",
    "^0.0",
    "^0",
    "^0.x",
    "^*",
    "~1",
    "~1.2",
    "~1.2.3",
    "~>1.2",
    "~0.0.1",
    "~*",
    ">1",
    ">1.2",
    ">1.2.3",
    ">=1.2",
    "<1",
    "<1.2",
    "<=1",
    "<=1.2",
    "<=1.2.3",
    ">*",
    "<*",
    ">=*",
    ">=1.2 <2",
    ">= 1.2.3 < 2.0.0",
    "> 1.2.3",
    "^ 1.2",
    "~ 1.2",
    "1.2 - 2.3",
    "1.2.3 - 2",
    "1.2.3 - 2.3.4",
    "* - 2",
    "1 - *",
    "1.2.3-rc.1",
    "^1.2.3-rc.0",
    "~1.2.3-rc.0",
    ">=1.2.3-rc.0 <2.0.0-9",
    "1.2.3-rc.0 - 2",
    "1 || 2",
    "1||3",
    "^1.3 || ~2.3.0",
    "|| 1",
    "* || 1.2.3-rc.1",
    ">=0.0.0 || 1.2.3-rc.1",
    "0.0.0 - * || ~1.2.3-rc.0",
    ">1 <1",
    "1.2.3+build",
    "<0.0.0-1",
    ">=0.0.0-0",
    "1.2.x-beta",
  ])("reads the range %j as npm does", (range) => {
    for (const version of versions) {
      expect(`${version}: ${String(semver(version).satisfies(range))}`).toBe(
        `${version}: ${String(npm.satisfies(version, range))}`,
      );
    }
  });

  it.each([
    "a",
    "1.2.3.4",
    ">>1",
    "1 -2",
    "^^1",
    "~^1",
    "01",
    "1.2.3-",
    "*.1",
    "1.x.3",
    "1..2",
    "=>1",
    "|",
    "1 | 2",
    "9007199254740992",
    "-1",
    "1.2.3-01",
    "a".repeat(2000),
  ])("refuses the range %j", (range) => {
    expect(npm.validRange(range)).toBeNull();
    expect(() => semver("1.0.0").satisfies(range)).toThrow("is not a range");
  });

  const number = fc.constantFrom("0", "1", "2", "10");
  const part = fc.constantFrom("0", "1", "2", "x", "*", "");
  const prerelease = fc.constantFrom("", "", "", "-0", "-rc.1", "-alpha", "-1");
  const version = fc.tuple(number, number, number, prerelease).map(([a, b, c, pre]) => `${a}.${b}.${c}${pre}`);
  const partial = fc
    .tuple(part, part, part, prerelease)
    .map(([a, b, c, pre]) => (a === "" ? "*" : b === "" ? a : c === "" ? `${a}.${b}` : `${a}.${b}.${c}${pre}`));
  const comparator = fc
    .tuple(fc.constantFrom("", "=", "<", "<=", ">", ">=", "^", "~", "~>"), fc.constantFrom("", "", " "), partial)
    .map((all) => all.join(""));
  const alternative = fc.oneof(
    comparator,
    fc.tuple(comparator, comparator).map((all) => all.join(" ")),
    fc.tuple(partial, partial).map((all) => all.join(" - ")),
  );
  const range = fc.oneof(
    alternative,
    fc.tuple(alternative, alternative).map((all) => all.join(" || ")),
  );

  it("agrees with npm on every range", () => {
    fc.assert(
      fc.property(range, fc.array(version, { minLength: 5, maxLength: 5 }), (text, some) => {
        const valid = npm.validRange(text) !== null;
        for (const one of some) {
          let answer: boolean | undefined;
          try {
            answer = semver(one).satisfies(text);
          } catch {
            answer = undefined;
          }
          expect(`${one} in ${text}: ${String(answer)}`).toBe(
            `${one} in ${text}: ${String(valid ? npm.satisfies(one, text) : undefined)}`,
          );
        }
      }),
      { numRuns: 2000 },
    );
  });
});
