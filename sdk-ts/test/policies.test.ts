import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { KubernetesObject, Policy } from "../src/index.ts";
import { casesIn, isPatchedBy, run, runScript, type Case, type Outcome } from "./support/cases.ts";

const root = fileURLToPath(new URL("../../policies", import.meta.url));
const folders = readdirSync(root, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);

const policies = new Map<string, Policy>();
for (const folder of folders.filter((name) => existsSync(join(root, name, "policy.ts")))) {
  const module = (await import(join(root, folder, "policy.ts"))) as { default: Policy };
  policies.set(folder, module.default);
}

function check(one: Case, { denials, object }: Outcome): void {
  const { allowed, message, fields, code, reason, patched, patch } = one.expect;
  expect(denials.length === 0).toBe(allowed);
  if (message !== undefined) expect(denials.map((denial) => denial.message).join("; ")).toContain(message);
  if (fields !== undefined) expect(denials.map(({ field }) => field)).toEqual(fields);
  if (code !== undefined) expect(denials[0]?.code).toBe(code);
  if (reason !== undefined) expect(denials[0]?.reason).toBe(reason);
  if (patched !== undefined) expect(object).toEqual(patched);
  if (patch !== undefined) expect(isPatchedBy(one.object, object, patch)).toBe(true);
}

describe.each(folders)("starter policy %s", (folder) => {
  const cases = casesIn(join(root, folder));

  it.each(cases.map((one) => [one.name, one] as const))("%s", async (_, one) => {
    const policy = policies.get(folder);
    const script = join(root, folder, "policy.yaml");
    check(one, policy ? await run(policy, one) : runScript(parse(readFileSync(script, "utf8")) as never, one));
  });

  it("has a README, a case that passes and one that says no", () => {
    expect(existsSync(join(root, folder, "README.md"))).toBe(true);
    expect(cases.some(({ expect: { allowed } }) => allowed)).toBe(true);
    const saysNo = ({ expect: { allowed, patched } }: Case) => !allowed || patched !== undefined;
    expect(cases.some(saysNo)).toBe(true);
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
    for (const policy of policies.values()) {
      const { denials } = await run(policy, { name: "", object: structuredClone(object), expect: { allowed: true } });
      expect(denials).toEqual([]);
    }
  });

  it("fills in what pod-security wants of a restricted pod, but for the user", async () => {
    const defaults = policies.get("secure-defaults");
    const security = policies.get("pod-security");
    if (!defaults || !security) throw new Error("the policies are not there");
    const pod = structuredClone(wellMade[0]) as KubernetesObject;
    const { object } = await run(defaults, { name: "", object: pod, expect: { allowed: true } });
    const { denials } = await run(security, {
      name: "",
      object: object as KubernetesObject,
      parameters: { level: "restricted" },
      expect: { allowed: false },
    });
    expect(denials.map(({ field }) => field)).toEqual(["spec.containers[0].securityContext.runAsNonRoot"]);
  });
});
