import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cidr } from "../src/index.ts";

describe("cidr", () => {
  it.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["255.255.255.255/32", "255.255.255.255/32"],
    ["::/0", "::/0"],
    ["::1/128", "::1/128"],
    ["2001:DB8::/32", "2001:db8::/32"],
    ["2001:db8:0:0:1:0:0:1/128", "2001:db8::1:0:0:1/128"],
    ["2001:db8:0:1:1:1:1:1/128", "2001:db8:0:1:1:1:1:1/128"],
    ["1:0:0:2:0:0:0:3/128", "1:0:0:2::3/128"],
    ["fe80::1:2:3:4/10", "fe80::/10"],
    ["::ffff:10.0.0.1/128", "::ffff:10.0.0.1/128"],
    ["::ffff:0:0/96", "::ffff:0.0.0.0/96"],
    ["64:ff9b::192.0.2.33/128", "64:ff9b::c000:221/128"],
    ["1:2:3:4:5:6:7:8/128", "1:2:3:4:5:6:7:8/128"],
    ["1:2:3:4:5:6:7::/128", "1:2:3:4:5:6:7:0/128"],
  ])("writes %s as %s", (text, canonical) => {
    expect(cidr(text).toString()).toBe(canonical);
  });

  it.each([
    ["10.0.0.0/8", "10.255.255.255", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.0.0.0/8", "10.1.0.0/16", true],
    ["10.1.0.0/16", "10.0.0.0/8", false],
    ["0.0.0.0/0", "192.0.2.1", true],
    ["0.0.0.0/0", "::1", false],
    ["::/0", "10.0.0.1", false],
    ["::/0", "::ffff:10.0.0.1", true],
    ["10.0.0.0/8", "::ffff:10.0.0.1", false],
    ["2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true],
    ["2001:db8::/32", "2001:db9::", false],
    ["192.0.2.7/32", "192.0.2.7", true],
  ])("says whether %s contains %s", (range, other, expected) => {
    expect(cidr(range).contains(other)).toBe(expected);
    if (other.includes("/")) expect(cidr(range).contains(cidr(other))).toBe(expected);
  });

  it.each([
    ["10.0.0.0/8", "10.1.0.0/16", true],
    ["10.1.0.0/16", "10.0.0.0/8", true],
    ["10.0.0.0/9", "10.128.0.0/9", false],
    ["::/0", "0.0.0.0/0", false],
    ["fd00::/8", "fd00::1", true],
  ])("says whether %s and %s overlap", (one, other, expected) => {
    expect(cidr(one).overlaps(other)).toBe(expected);
  });

  it.each([
    "",
    "10.0.0.0",
    "10.0.0/8",
    "10.0.0.0.0/8",
    "010.0.0.0/8",
    "256.0.0.0/8",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0. 0/8",
    "0x0a.0.0.0/8",
    "1e1.0.0.0/8",
    "::/129",
    ":::/8",
    "::1::/8",
    ":1/128",
    "1:/128",
    "1:2:3:4:5:6:7/128",
    "1:2:3:4:5:6:7:8:9/128",
    "1:2:3:4:5:6:7:8::/128",
    "12345::/16",
    "g::/16",
    "fe80::1%eth0/64",
    "::1.2.3/128",
    "1.2.3.4::/96",
    "::1.2.3.4:5/128",
    "[::1]/128",
  ])("refuses %j", (text) => {
    expect(() => cidr(text)).toThrow(RangeError);
  });

  it("says that there is none", () => {
    expect(() => cidr(undefined)).toThrow(TypeError);
    expect(() => cidr("10.0.0.0/8").contains("10.0.0")).toThrow(RangeError);
    expect(() => cidr("10.0.0.0/8").contains(undefined as unknown as string)).toThrow(TypeError);
  });

  it("tells its parts", () => {
    expect(cidr("10.9.8.7/24")).toMatchObject({ family: 4, prefix: 24, address: "10.9.8.0" });
    expect(cidr("2001:db8::1/64")).toMatchObject({ family: 6, prefix: 64, address: "2001:db8::" });
  });

  it("reads what it writes, and contains its own addresses", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (address, bits) => {
        const range = cidr(`${address}/${String(address.includes(":") ? bits : bits % 33)}`);
        expect(cidr(range.toString()).toString()).toBe(range.toString());
        expect(range.contains(address)).toBe(true);
        expect(range.contains(range)).toBe(true);
      }),
    );
  });
});
