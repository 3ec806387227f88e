import { check, judge } from "@bylaw/sdk/testing";
import { expect, test } from "vitest";
import policy from "./index.ts";

const pod = (spec: object) => ({ apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "shop" }, spec });

test("a pod that says nothing gets no token", async () => {
  await check(policy, {
    object: pod({ containers: [] }),
    expect: { allowed: true, patched: pod({ containers: [], automountServiceAccountToken: false }) },
  });
});

test("a pod that asks for one keeps it", async () => {
  const { changed } = await judge(policy, { object: pod({ automountServiceAccountToken: true }) });
  expect(changed).toBe(false);
});
