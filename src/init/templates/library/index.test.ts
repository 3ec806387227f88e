import { check } from "@bylaw/sdk/testing";
import { test } from "vitest";
import policies from "./index.ts";

const namespace = (labels: Record<string, string>) => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: "shop", labels },
});

test("a namespace with its labels may be made", async () => {
  await check(policies, { object: namespace({ team: "shop", "cost-center": "7" }), expect: { allowed: true } });
});

test("both policies speak", async () => {
  await check(policies, {
    object: namespace({ team: "Shop" }),
    expect: { allowed: false, fields: ["metadata.labels.team", "metadata.labels"] },
  });
});
