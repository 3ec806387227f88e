import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { KubernetesObject, Policy } from "../src/index.ts";
import { judge, misses, type Manifest } from "../src/testing/index.ts";
import { casesIn, runScript } from "./support/cases.ts";

const root = fileURLToPath(new URL("../../policies", import.meta.url));
const folders = readdirSync(root, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);

const policies = new Map<string, Policy>();
for (const folder of folders.filter((name) => existsSync(join(root, name, "policy.ts")))) {
  const module = (await import(join(root, folder, "policy.ts"))) as { default: Policy };
  policies.set(folder, module.default);
}

describe.each(folders)("starter policy %s", (folder) => {
  const cases = casesIn(join(root, folder));

  it.each(cases.map((one) => [one.name, one] as const))("%s", async (_, one) => {
    const policy = policies.get(folder);
    if (policy !== undefined) {
      expect(misses(await judge(policy, one), one.expect ?? {}, one)).toEqual([]);
      return;
    }
    const denials = runScript(parse(readFileSync(join(root, folder, "policy.yaml"), "utf8")) as never, one);
    expect(denials.length === 0).toBe(one.expect?.allowed);
    expect(denials.map(({ message }) => message).join("; ")).toContain(one.expect?.message ?? "");
  });

  it("has a README, a case that passes and one that says no", () => {
    expect(existsSync(join(root, folder, "README.md"))).toBe(true);
    expect(cases.some((one) => one.expect?.allowed === true)).toBe(true);
    expect(cases.some((one) => one.expect?.allowed === false || one.expect?.patched !== undefined)).toBe(true);
  });
});

describe("the starter set", () => {
  const names = [...policies.values()].map(({ name }) => name);

  it("gives every policy a name of its own", () => {
    expect(new Set(names).size).toBe(names.length);
    expect(names.every((name) => name?.endsWith(".bylaw.dev"))).toBe(true);
  });

  const container = {
    name: "web",
    image: "nginx:1.29",
    resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: "128Mi" } },
  };
  const template = { metadata: { labels: { app: "web" } }, spec: { containers: [container] } };
  const wellMade = [
    { apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "shop" }, spec: template.spec },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: "shop", labels: { "app.kubernetes.io/name": "web" } },
      spec: { selector: { matchLabels: { app: "web" } }, template },
    },
  ];

  it.each(wellMade)("lets a well-made $kind pass", async (object) => {
    expect((await judge([...policies.values()], { object })).message).toBe("");
  });

  it("fills in what pod-security wants of a restricted pod, but for the user", async () => {
    const defaults = policies.get("secure-defaults");
    const security = policies.get("pod-security");
    if (!defaults || !security) throw new Error("the policies are not there");
    const { object } = await judge(defaults, { object: wellMade[0] as KubernetesObject });
    const { fields } = await judge(security, { object: object as Manifest, parameters: { level: "restricted" } });
    expect(fields).toEqual(["spec.containers[0].securityContext.runAsNonRoot"]);
  });
});
