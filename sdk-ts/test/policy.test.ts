import { describe, expect, it } from "vitest";
import { policy } from "../src/index.ts";

const validate = () => undefined;
const name = "no-privileged.pods.example.com";

/** What a policy author without a type checker may write. */
const loose = policy as (definition: unknown) => unknown;

describe("policy", () => {
  it("gives the definition back, frozen all through", () => {
    const definition = { name, match: { resources: ["pods"] }, validate };
    const made = policy(definition);
    expect(made).toBe(definition);
    expect(Object.isFrozen(made)).toBe(true);
    expect(Object.isFrozen(made.match?.resources)).toBe(true);
    expect(Object.isFrozen(made.validate)).toBe(true);
  });

  it("takes validate and mutate together, and reconcile alone", () => {
    expect(() => policy({ name, validate, mutate: validate })).not.toThrow();
    expect(() => policy({ name, reconcile: validate })).not.toThrow();
    expect(() => loose({ name, validate, reconcile: validate })).toThrow(
      /^policy\(\): `reconcile` stands alone: move `validate` to a policy of its own$/,
    );
  });

  it("takes a definition without a name, which a JsPolicy object gives", () => {
    expect(() => policy({ validate })).not.toThrow();
  });

  it.each([
    ["nothing", undefined, "expects an object"],
    ["null", null, "expects an object"],
    ["an array", [], "not array"],
    ["no handler", { name }, "no handler: add `validate("],
    ["a handler that is no function", { name, validate: true }, "`validate` must be of type function, not boolean"],
    ["an unknown field", { name, validate, matches: {} }, "`matches` is not known: expected one of name, title"],
    ["a field of Object.prototype", { name, validate, constructor: 1 }, "`constructor` is not known"],
    ["an unknown part of match", { name, validate, match: { kinds: [] } }, "`match.kinds` is not known"],
    [
      "a permission of the wrong type",
      { name, validate, permissions: { codegen: ["*"] } },
      "`permissions.codegen` must be",
    ],
    ["an unknown permission", { name, validate, permissions: { reads: [] } }, "`permissions.reads` is not known"],
    [
      "text where a list is due",
      { name, validate, match: { resources: "pods" } },
      "`match.resources` must be an array of",
    ],
    ["a wrong enforcement", { name, validate, enforcement: "deny" }, "`enforcement` must be one of Deny, Warn, Dry"],
    [
      "a wrong word for mutations on a host",
      { name, validate, hostMutations: "Maybe" },
      "`hostMutations` must be one of Refuse, Allow",
    ],
    [
      "a timeout out of range",
      { name, validate, timeoutSeconds: 31 },
      "`timeoutSeconds` must be a whole number from 1 to 30",
    ],
    ["a fractional priority", { name, validate, priority: 0.5 }, "`priority` must be a whole number"],
    [
      "parameters without their schema's frame",
      { name, validate, parameters: { registries: [] } },
      "`parameters.registries`",
    ],
    [
      "a name of two parts",
      { name: "example.com", validate },
      '`name` "example.com" must be a DNS name of at least three',
    ],
    ["a name in upper case", { name: "A.example.com", validate }, "`name`"],
    ["a name with an empty part", { name: "a..example.com", validate }, "`name`"],
    ["a name that is too long", { name: `${"a".repeat(64)}.example.com`, validate }, "`name`"],
  ])("refuses %s", (_, definition, message) => {
    expect(() => loose(definition)).toThrow(TypeError);
    expect(() => loose(definition)).toThrow(message);
  });
});
