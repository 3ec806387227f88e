/** The SDK as the engine runs it: bundled by rolldown into one script, in a realm that has ECMAScript and no more. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { constants, createContext, runInContext } from "node:vm";
import { rolldown } from "rolldown";
import { describe, expect, it } from "vitest";
import type * as Sdk from "../src/index.ts";

const entry = fileURLToPath(new URL("../src/index.ts", import.meta.url));
const policies = fileURLToPath(new URL("../../policies", import.meta.url));

async function bundle(input: string): Promise<string> {
  const build = await rolldown({ input, platform: "neutral", resolve: { alias: { "@bylaw/sdk": entry } } });
  const { output } = await build.generate({ format: "iife", name: "module", exports: "named" });
  return output[0].code;
}

/** Loads a bundle where every intrinsic is frozen and no text becomes code. */
function load(code: string): unknown {
  const realm = createContext(constants.DONT_CONTEXTIFY, { codeGeneration: { strings: false, wasm: false } });
  const freezeAll = `
    for (const name of Object.getOwnPropertyNames(globalThis)) {
      const value = globalThis[name];
      if (typeof value === "function" || (typeof value === "object" && value !== null && value !== globalThis)) {
        Object.freeze(value);
        if (value.prototype) Object.freeze(value.prototype);
      }
    }
    Object.freeze(globalThis);`;
  runInContext(freezeAll, realm);
  return runInContext(`(() => { "use strict"; ${code}; return module; })()`, realm);
}

describe("in a locked realm", () => {
  it("every helper works", async () => {
    const sdk = load(await bundle(entry)) as typeof Sdk;
    expect(sdk.quantity("1.5Gi").add("512Mi").toString()).toBe("2Gi");
    expect(sdk.image("nginx").toString()).toBe("docker.io/library/nginx");
    expect(sdk.semver("v1.36.3").satisfies("^1.30 || 2")).toBe(true);
    expect(sdk.cidr("fd00::/8").contains("fd00::1")).toBe(true);
    expect(sdk.duration("90m").toString()).toBe("1h30m0s");
    expect(sdk.selector({ matchLabels: { a: "b" } }).matches({ a: "b" })).toBe(true);
    expect(sdk.podSecurity("restricted")({ spec: { containers: [{ name: "web" }] } })).toHaveLength(4);
    expect(sdk.containers({ spec: { containers: [{ name: "web" }] } })).toHaveLength(1);
    expect(() => sdk.policy({})).toThrow("no handler");
  });

  it("no policy can change what another one calls", async () => {
    const sdk = load(await bundle(entry)) as typeof Sdk;
    const made = [
      sdk.quantity("1"),
      sdk.image("nginx"),
      sdk.semver("1.0.0"),
      sdk.cidr("::/0"),
      sdk.duration("1s"),
      sdk.selector({}),
    ];
    for (const value of made) {
      const prototype = Object.getPrototypeOf(value) as object;
      expect([value, prototype, prototype.constructor].every(Object.isFrozen)).toBe(true);
    }
  });

  const folders = readdirSync(policies).filter((folder) => existsSync(join(policies, folder, "policy.ts")));
  it.each(folders)("policy %s loads", async (folder) => {
    const module = load(await bundle(join(policies, folder, "policy.ts"))) as { default: Sdk.Policy };
    expect(module.default.name).toMatch(/\.bylaw\.dev$/);
    expect(Object.isFrozen(module.default)).toBe(true);
  });

  it("a policy carries only the helpers that it uses", async () => {
    const code = await bundle(join(policies, "no-host-namespaces", "policy.ts"));
    expect(code).toContain("policy(): ");
    expect(code).not.toMatch(/quantity|semver|podSecurity|AUDIT_WRITE|docker\.io/);
  });
});
