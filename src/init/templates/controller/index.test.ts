import { reconcile } from "@bylaw/sdk/testing";
import { expect, test } from "vitest";
import policy from "./index.ts";

const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { isolated: "true" } } };
const denies = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "default-deny", namespace: "shop" },
};

test("a namespace is closed", async () => {
  const { writes, logs } = await reconcile(policy, { object: namespace, inventory: [namespace] });
  expect(writes).toMatchObject([{ op: "create", namespace: "shop", name: "default-deny" }]);
  expect(logs).toEqual(["closed namespace shop"]);
});

test("one that is closed is left alone", async () => {
  const { writes } = await reconcile(policy, { object: namespace, inventory: [namespace, denies] });
  expect(writes).toEqual([]);
});

test("one that is gone needs nothing", async () => {
  const { writes } = await reconcile(policy, { inventory: [] });
  expect(writes).toEqual([]);
});
