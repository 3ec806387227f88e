import { check, judge } from "@bylaw/sdk/testing";
import { expect, test } from "vitest";
import policy from "./index.ts";

const pod = (image: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "shop" },
  spec: { containers: [{ name: "web", image }] },
});

test("an image of a known registry may run", async () => {
  await check(policy, { object: pod("registry.example.com/web:1.0"), expect: { allowed: true } });
});

test("an image of another registry may not", async () => {
  await check(policy, {
    object: pod("nginx:1.29"),
    expect: { allowed: false, message: "comes from docker.io", fields: ["spec.containers[0].image"] },
  });
});

test("each container is judged", async () => {
  const object = pod("nginx");
  object.spec.containers.push({ name: "side", image: "quay.io/side" });
  const { causes } = await judge(policy, { object, parameters: { registries: ["quay.io"] } });
  expect(causes).toHaveLength(1);
});
