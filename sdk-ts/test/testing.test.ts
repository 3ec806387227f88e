/** What the fakes have beside the engine's verdicts, which `corpus.test.ts` holds them to. */

import { describe, expect, it } from "vitest";
import { policy, type Host, type JsonSchema } from "../src/index.ts";
import { check, judge, reconcile, type AnyPolicy, type Case } from "../src/testing/index.ts";

const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "shop" } };
const match = { resources: ["configmaps"] };

/** A policy whose `validate` does this. */
function doing(work: (host: Host) => unknown, permissions = {}): AnyPolicy {
  return policy({
    name: "does.policies.example",
    match,
    permissions,
    async validate(context) {
      context.warn(JSON.stringify((await work(context)) ?? "nothing"));
    },
  });
}

async function told(made: AnyPolicy, one: Partial<Case> = {}): Promise<string> {
  const { warnings, message } = await judge(made, { object: configMap, ...one });
  return warnings[0]?.replace("[does.policies.example] ", "") ?? message;
}

describe("judge", () => {
  it("passes a policy over that does not match", async () => {
    const { matched, allowed } = await judge(
      doing(() => 1),
      { object: { ...configMap, kind: "Secret" } },
    );
    expect([matched, allowed]).toEqual([[], true]);
  });

  it("gives the clock back, even where a policy throws", async () => {
    const before = [globalThis.Date, Math.random];
    const now = "2020-02-29T00:00:00Z";
    expect(
      await told(
        doing(() => [new Date().toISOString(), Date(), typeof new Date(0)]),
        { now },
      ),
    ).toContain("2020-02-29");
    await judge(
      doing(() => {
        throw new Error("no");
      }),
      { object: configMap, now },
    );
    expect([globalThis.Date, Math.random]).toEqual(before);
    expect(new Date().getFullYear()).toBeGreaterThan(2020);
  });

  it("leaves what it is given as it is", async () => {
    const object = structuredClone(configMap);
    const inventory = [{ apiVersion: "v1", kind: "Pod", metadata: { name: "p" } }];
    const mutating = policy({
      name: "m.policies.example",
      match,
      mutate: ({ object }) => {
        object["data"] = {};
      },
    });
    await judge(mutating, { object, inventory });
    expect([object, Object.isFrozen(object), Object.keys(inventory[0]?.metadata ?? {})]).toEqual([
      configMap,
      false,
      ["name"],
    ]);
  });

  it("ends a handler that waits for what never comes", async () => {
    const waits = policy({
      name: "w.policies.example",
      match,
      timeoutSeconds: 1,
      validate: () => new Promise<void>(() => undefined),
    });
    expect((await judge(waits, { object: configMap })).message).toContain("took longer than 1 s");
  });

  it.each<[string, Case, string]>([
    ["nothing at all", {}, "neither an object nor an old object"],
    ["an object without a kind", { object: { apiVersion: "v1", metadata: { name: "a" } } }, "no kind"],
    [
      "an object without a name",
      { object: { apiVersion: "v1", kind: "Pod", metadata: {} } },
      "Pod: metadata.name is missing",
    ],
    ["a time that is none", { object: configMap, now: "soon" }, "is not a time"],
    [
      "an inventory of no objects",
      { object: configMap, inventory: [{}] },
      "inventory: each object needs apiVersion and kind",
    ],
    [
      "wrong parameters",
      { object: configMap, parameters: { limit: "x" } },
      'parameters.limit: "x" is not of type integer',
    ],
  ])("refuses %s", async (_, one, message) => {
    const schema: JsonSchema = { type: "object", properties: { limit: { type: "integer" } } };
    const strict = policy({ name: "s.policies.example", match, parameters: { schema }, validate: () => undefined });
    await expect(judge(strict, one)).rejects.toThrow(message);
  });

  it("refuses what is no policy", async () => {
    await expect(judge({} as AnyPolicy, { object: configMap })).rejects.toThrow("expects policy({…})");
  });

  it("asks what CEL would say, and is told", async () => {
    const conditional = policy({
      name: "c.policies.example",
      match: { ...match, matchConditions: [{ name: "big", expression: "object.data.size() > 3" }] },
      validate: ({ deny }) => {
        deny("asked");
      },
    });
    expect((await judge(conditional, { object: configMap })).message).toContain(
      'say in `conditions` what "big" comes to',
    );
    expect((await judge(conditional, { object: configMap, conditions: { big: false } })).allowed).toBe(true);
    expect((await judge(conditional, { object: configMap, conditions: { big: true } })).message).toContain("asked");
  });
});

describe("the world of a case", () => {
  it("has the variables, files and answers that the case gives, with permission", async () => {
    const granted = { env: ["REGION"], files: ["/etc/policy/"], net: ["*.example.com"] };
    const given: Partial<Case> = {
      env: { REGION: "eu", SECRET: "x" },
      files: { "/etc/policy/a": "text", "/etc/shadow": "x" },
      fetch: (url) => ({ body: JSON.stringify({ url }), headers: { "Content-Type": "application/json" } }),
    };
    expect(
      await told(
        doing(({ env }) => env("REGION"), granted),
        given,
      ),
    ).toBe('"eu"');
    expect(
      await told(
        doing(({ env }) => env("SECRET"), granted),
        given,
      ),
    ).toContain('add env: ["SECRET"]');
    expect(
      await told(
        doing(({ readFile }) => readFile("/etc/policy/a"), granted),
        given,
      ),
    ).toBe('"text"');
    expect(
      await told(
        doing(({ readFile }) => readFile("/etc/policy/../shadow"), granted),
        given,
      ),
    ).toContain("add files");
    const fetched = doing(async ({ fetch }) => {
      const answer = await fetch("https://api.example.com/x");
      return [answer.ok, answer.headers["content-type"], await answer.json()] as unknown;
    }, granted);
    expect(await told(fetched, given)).toBe('[true,"application/json",{"url":"https://api.example.com/x"}]');
    expect(
      await told(
        doing(({ fetch }) => fetch("https://example.org/"), granted),
        given,
      ),
    ).toContain('add net: ["example.org"]');
    expect(await told(fetched)).toContain("there is no network here");
  });

  it("records what is written, and answers as a server would", async () => {
    const writes = { write: ["v1/*"] };
    const inventory = [{ ...configMap, data: { a: "1", b: "2" } }];
    const at = { namespace: "shop", name: "a" };
    const merge = doing(({ patch }) => patch("v1/ConfigMap", { ...at, patch: { data: { a: null, c: "3" } } }), writes);
    expect(await told(merge, { inventory })).toContain('"data":{"b":"2","c":"3"}');
    const operations = [{ op: "replace", path: "/data/a", value: "9" }];
    expect(
      await told(
        doing(({ patch }) => patch("v1/ConfigMap", { ...at, patch: operations }), writes),
        { inventory },
      ),
    ).toContain('"a":"9"');
    expect(
      await told(
        doing(({ create }) => create(configMap), writes),
        { inventory },
      ),
    ).toContain("already exists");
    expect(await told(doing(({ remove }) => remove(configMap), writes))).toContain(
      "not found; put it into the `inventory`",
    );
    const expected = { allowed: true, writes: [{ op: "update" as const, kind: "ConfigMap", name: "a", dryRun: true }] };
    await check(
      doing(({ update }) => update(configMap), writes),
      { object: configMap, inventory, dryRun: true, expect: expected },
    );
  });

  it("lets a controller see an object, or that it is gone", async () => {
    const seen: unknown[] = [];
    const controller = policy({
      name: "c.policies.example",
      match,
      reconcile({ object, log }) {
        seen.push(object?.kind);
        log("seen", { a: 1 });
      },
    });
    expect((await reconcile(controller, { object: configMap })).logs).toEqual(['seen {"a":1}']);
    await reconcile(controller, {});
    expect(seen).toEqual(["ConfigMap", undefined]);
    const fails = policy({
      name: "f.policies.example",
      match,
      reconcile() {
        throw new Error("no");
      },
    });
    expect(await reconcile(fails, {})).toEqual({ writes: [], logs: [], denials: [], error: "Error: no" });
  });

  it("tells a controller which object is gone and how it last was, and what it asks for", async () => {
    const controller = policy({
      name: "c.policies.example",
      permissions: { write: ["v1/ConfigMap"] },
      async reconcile({ object, oldObject, key, operation, apply, requeue, requeueAfter, deny, log }) {
        log(operation, key.apiVersion, key.kind, key.namespace, key.name, object === undefined);
        if (object !== undefined) {
          await apply({ ...configMap, data: { a: "b" } });
          requeueAfter(1.5, "soon");
          return;
        }
        deny(`lost ${oldObject?.metadata?.name ?? "something"}`);
        requeue();
      },
    });
    const there = await reconcile(controller, { object: configMap });
    expect(there.logs).toEqual(["CREATE v1 ConfigMap shop a false"]);
    expect(there.writes).toMatchObject([{ op: "apply", name: "a", object: { data: { a: "b" } } }]);
    expect(there.requeue).toEqual({ after: 1.5, message: "soon" });
    const gone = await reconcile(controller, { oldObject: configMap });
    expect(gone.logs).toEqual(["DELETE v1 ConfigMap shop a true"]);
    expect([gone.denials, gone.requeue]).toEqual([["lost a"], { message: "" }]);
    const going = { ...configMap, metadata: { ...configMap.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
    expect((await reconcile(controller, { object: going })).logs[0]).toMatch(/^DELETE .* false$/);
  });
});

describe("check", () => {
  it("names every miss", async () => {
    const one: Case = {
      name: "all wrong",
      object: configMap,
      expect: { allowed: false, message: "x", fields: ["a"], code: 403, warnings: [], patched: {}, error: "y" },
    };
    const error = await check(
      doing(() => 1),
      one,
    ).then(() => "", String);
    for (const part of [
      "all wrong",
      "allowed: expected false, received true",
      'message: expected "x"',
      "fields: ",
      "code: ",
      "warnings: ",
      "patched: ",
      "error: ",
    ]) {
      expect(error).toContain(part);
    }
  });

  it("takes an error that nobody expects for a miss", async () => {
    const broken = policy({
      name: "b.policies.example",
      match,
      enforcement: "Dry",
      validate() {
        throw new Error("broken");
      },
    });
    await expect(check(broken, { object: configMap, expect: { allowed: true } })).rejects.toThrow(
      "error: expected none",
    );
    await check(broken, { object: configMap, expect: { allowed: true, error: { equals: "Error: broken" } } });
  });

  it("compares an object that left its namespace out without it", async () => {
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } };
    await check(
      doing(() => 1),
      { object, expect: { patched: object, patch: [] } },
    );
  });
});
