import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { duration } from "../src/index.ts";

describe("duration", () => {
  it.each([
    ["0", "0s"],
    ["0s", "0s"],
    ["-0", "0s"],
    ["1h30m", "1h30m0s"],
    ["90m", "1h30m0s"],
    ["1.5h", "1h30m0s"],
    ["-1.5h", "-1h30m0s"],
    ["+5s", "5s"],
    ["100ms", "100ms"],
    ["1500ms", "1.5s"],
    ["1500us", "1.5ms"],
    ["1500ns", "1.5µs"],
    ["1µs", "1µs"],
    ["1μs", "1µs"],
    ["7ns", "7ns"],
    [".5s", "500ms"],
    ["1.s", "1s"],
    ["61s", "1m1s"],
    ["3600.25s", "1h0m0.25s"],
    ["1h1h", "2h0m0s"],
    ["0.4ns", "0s"],
    ["2562047h47m16.854775807s", "2562047h47m16.854775807s"],
    ["-2562047h47m16.854775808s", "-2562047h47m16.854775808s"],
  ])("writes %s as %s", (text, canonical) => {
    expect(duration(text).toString()).toBe(canonical);
  });

  it.each(["", "1", "-", "s", "1d", "1h 30m", "1,5s", ".s", "1e3s", "1hm", "--1s", "h1"])("refuses %j", (text) => {
    expect(() => duration(text)).toThrow(RangeError);
  });

  it("refuses what Go cannot hold", () => {
    expect(() => duration("2562047h47m16.854775808s")).toThrow("292 years");
    expect(() => duration("292y")).toThrow(RangeError);
    expect(() => duration("9".repeat(200) + "h")).toThrow("too long");
    expect(() => duration("2000000h").add("2000000h")).toThrow("292 years");
    expect(() => duration(undefined)).toThrow(TypeError);
  });

  it("counts and compares", () => {
    expect(duration("1h").seconds).toBe(3600);
    expect(duration("1.5s").milliseconds).toBe(1500);
    expect(duration("90s").compare("1m30s")).toBe(0);
    expect(duration("1m").compare("1h")).toBe(-1);
    expect(duration("1h").compare(duration("1m"))).toBe(1);
    expect(duration("1h").sub("30m").add("15m").toString()).toBe("45m0s");
  });

  it("reads what it writes", () => {
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (nanoseconds) => {
        const one = duration(`${String(nanoseconds)}ns`);
        expect(one.nanoseconds).toBe(nanoseconds);
        expect(duration(one.toString()).nanoseconds).toBe(nanoseconds);
      }),
    );
  });
});
