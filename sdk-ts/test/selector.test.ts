import { describe, expect, it } from "vitest";
import { selector, type LabelSelector } from "../src/index.ts";

const labels = { app: "web", tier: "front", "example.com/team": "a" };

describe("selector", () => {
  it.each<[string, LabelSelector, boolean]>([
    ["an empty one", {}, true],
    ["empty parts", { matchLabels: {}, matchExpressions: [] }, true],
    ["a label that is there", { matchLabels: { app: "web" } }, true],
    ["a label with another value", { matchLabels: { app: "db" } }, false],
    ["a label that is not there", { matchLabels: { zone: "a" } }, false],
    ["all labels together", { matchLabels: { app: "web", tier: "back" } }, false],
    ["a prefixed label", { matchLabels: { "example.com/team": "a" } }, true],
    ["In", { matchExpressions: [{ key: "app", operator: "In", values: ["db", "web"] }] }, true],
    ["In without the label", { matchExpressions: [{ key: "zone", operator: "In", values: [""] }] }, false],
    ["NotIn", { matchExpressions: [{ key: "app", operator: "NotIn", values: ["web"] }] }, false],
    ["NotIn without the label", { matchExpressions: [{ key: "zone", operator: "NotIn", values: ["a"] }] }, true],
    ["Exists", { matchExpressions: [{ key: "app", operator: "Exists" }] }, true],
    ["Exists without the label", { matchExpressions: [{ key: "zone", operator: "Exists", values: [] }] }, false],
    ["DoesNotExist", { matchExpressions: [{ key: "app", operator: "DoesNotExist" }] }, false],
    ["DoesNotExist without the label", { matchExpressions: [{ key: "zone", operator: "DoesNotExist" }] }, true],
    [
      "labels and expressions together",
      { matchLabels: { app: "web" }, matchExpressions: [{ key: "tier", operator: "NotIn", values: ["front"] }] },
      false,
    ],
    ["a name that every object has", { matchExpressions: [{ key: "constructor", operator: "Exists" }] }, false],
  ])("judges %s", (_, definition, expected) => {
    expect(selector(definition).matches(labels)).toBe(expected);
  });

  it("takes no labels for an empty set", () => {
    expect(selector({}).matches(undefined)).toBe(true);
    expect(selector({ matchLabels: { a: "b" } }).matches(null)).toBe(false);
  });

  it("selects nothing where there is no selector", () => {
    expect(selector(undefined).matches(labels)).toBe(false);
    expect(selector(null).matches({})).toBe(false);
  });

  it.each([
    [{ matchExpressions: [{ key: "app", operator: "In" }] }, "matchExpressions[0]: values must not be empty with In"],
    [{ matchExpressions: [{ key: "app", operator: "NotIn", values: [] }] }, "must not be empty with NotIn"],
    [{ matchExpressions: [{ key: "app", operator: "Exists", values: ["a"] }] }, "must be empty with Exists"],
    [
      { matchExpressions: [{ key: "app", operator: "DoesNotExist", values: ["a"] }] },
      "must be empty with DoesNotExist",
    ],
    [{ matchExpressions: [{ key: "app", operator: "Equals", values: ["a"] }] }, 'operator "Equals" must be In'],
    [{ matchLabels: { "a b": "c" } }, '"a b" is not a label key'],
    [{ matchLabels: { "": "c" } }, '"" is not a label key'],
    [{ matchLabels: { "/a": "c" } }, '"/a" is not a label key'],
    [{ matchLabels: { "A.com/a": "c" } }, '"A.com/a" is not a label key'],
    [{ matchLabels: { ["a".repeat(64)]: "c" } }, "is not a label key"],
    [{ matchLabels: { a: "-b" } }, '"-b" is not a label value'],
    [{ matchLabels: { a: "b".repeat(64) } }, "is not a label value"],
    [{ matchLabels: { a: 5 } }, "5 is not a label value"],
  ])("refuses %j", (definition, message) => {
    expect(() => selector(definition as LabelSelector)).toThrow(RangeError);
    expect(() => selector(definition as LabelSelector)).toThrow(message);
  });

  it("refuses what is no selector", () => {
    expect(() => selector("app=web" as LabelSelector)).toThrow(TypeError);
  });
});
