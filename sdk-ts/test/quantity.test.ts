import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quantity } from "../src/index.ts";

describe("quantity", () => {
  // What k8s.io/apimachinery v0.37 makes of the same texts (Quantity.CanonicalizeBytes).
  it.each([
    ["0", "0"],
    ["-0", "0"],
    ["00", "0"],
    ["G", "0"],
    [".Mi", "0"],
    [".", "0"],
    ["1", "1"],
    ["+1", "1"],
    ["1.", "1"],
    [".5", "500m"],
    ["0.5", "500m"],
    ["1.5", "1500m"],
    ["1.500", "1500m"],
    ["1000", "1k"],
    ["100000", "100k"],
    ["1000m", "1"],
    ["1500m", "1500m"],
    ["0.1", "100m"],
    ["12e6", "12e6"],
    ["12E6", "12e6"],
    ["1e-3", "1e-3"],
    ["100e-3", "100e-3"],
    ["1e2", "100"],
    ["1E", "1E"],
    ["1024", "1024"],
    ["1Ki", "1Ki"],
    ["1024Ki", "1Mi"],
    ["1.5Gi", "1536Mi"],
    ["0.5Ki", "512"],
    ["0.0001Ki", "102400u"],
    ["1.126Ki", "1153024m"],
    ["1000Ki", "1000Ki"],
    ["1025", "1025"],
    ["-1Ki", "-1Ki"],
    ["-1.5", "-1500m"],
    ["1n", "1n"],
    ["0.1n", "1n"],
    ["1.1n", "2n"],
    ["-0.1n", "-1n"],
    ["1u", "1u"],
    ["1P", "1P"],
    ["8Ei", "9223372036854775807"],
    ["7Ei", "7Ei"],
    ["123456789012345678901234567890", "123456789012345678901234567890"],
  ])("writes %s as %s", (text, canonical) => {
    expect(quantity(text).toString()).toBe(canonical);
  });

  it("keeps what is beyond the largest suffix, where upstream writes 1 for 1000E", () => {
    expect(quantity("1000E").toString()).toBe("1000E");
  });

  it.each([
    ["1", "1000m", 0],
    ["0.1", "100m", 0],
    ["1Gi", "1G", 1],
    ["1Gi", "1073741824", 0],
    ["1023Mi", "1Gi", -1],
    ["1e3", "1k", 0],
    ["-1", "0", -1],
    ["0.3", "300m", 0],
    ["9007199254740993", "9007199254740992", 1],
  ])("compares %s with %s", (one, other, order) => {
    expect(quantity(one).compare(other)).toBe(order);
    expect(quantity(other).compare(quantity(one))).toBe(0 - order);
  });

  it("adds and subtracts without rounding, in the family of the first", () => {
    expect(quantity("100m").add("0.2").toString()).toBe("300m");
    expect(quantity("1Gi").add("1Gi").toString()).toBe("2Gi");
    expect(quantity("1Gi").sub("512Mi").toString()).toBe("512Mi");
    expect(quantity("0").add("1Gi").toString()).toBe("1Gi");
    expect(quantity("1").sub("2").toString()).toBe("-1");
    expect(quantity("1G").add("1Gi").toString()).toBe("2073741824");
  });

  it("reads numbers as they are written", () => {
    expect(quantity(2).compare("2")).toBe(0);
    expect(quantity(0.1).toString()).toBe("100m");
    expect(quantity(1e21).toString()).toBe("1e21");
    expect(quantity(5n).toString()).toBe("5");
  });

  it("gives a number for those who want one", () => {
    expect(quantity("1500m").toNumber()).toBe(1.5);
    expect(quantity("1Gi").toNumber()).toBe(1073741824);
    expect(quantity("-250m").toNumber()).toBe(-0.25);
  });

  it.each([
    "",
    " 1",
    "1 ",
    "abc",
    "1.2.3",
    "1ki",
    "1KI",
    "1mi",
    "--1",
    "+-1",
    "1e",
    "1ei",
    "1e1.5",
    "0x10",
    "1_000",
    "1,5",
    "Pi",
    "e-10",
  ])("refuses %j", (text) => {
    expect(() => quantity(text)).toThrow(RangeError);
  });

  it.each(["1e101", "1e-101", "1e999999999999", "9".repeat(1000), "1".repeat(129)])(
    "refuses what would cost time: %s",
    (text) => {
      expect(() => quantity(text)).toThrow(/out of range|too long/);
    },
  );

  it("says that there is none", () => {
    expect(() => quantity(undefined)).toThrow(TypeError);
    expect(() => quantity(NaN)).toThrow(RangeError);
  });

  it("reads what it writes as the same amount", () => {
    const suffix = fc.constantFrom(
      "",
      "n",
      "u",
      "m",
      "k",
      "M",
      "G",
      "T",
      "P",
      "E",
      "Ki",
      "Mi",
      "Gi",
      "Ti",
      "Pi",
      "e3",
      "E-2",
    );
    fc.assert(
      fc.property(fc.bigInt(-(10n ** 6n), 10n ** 6n), fc.nat(999), suffix, (whole, fraction, unit) => {
        const one = quantity(`${String(whole)}.${String(fraction)}${unit}`);
        const again = quantity(one.toString());
        expect(again.compare(one)).toBe(0);
        expect(again.toString()).toBe(one.toString());
      }),
    );
  });

  it("adds as numbers do", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (a, b) => {
        const sum = quantity(`${String(a)}m`).add(`${String(b)}m`);
        expect(sum.compare(`${String(a + b)}m`)).toBe(0);
        expect(sum.sub(`${String(b)}m`).compare(`${String(a)}m`)).toBe(0);
      }),
    );
  });
});
