/** What many ResourceQuotas may use together. */

import { expect, it } from "vitest";
import { policy, sharedQuota, type KubernetesObject } from "../src/index.ts";
import { judge, type Case } from "../src/testing/index.ts";
import type { ResourceQuota } from "../k8s/core/v1.ts";

const LABEL = "example.com/owner";

const shared = policy<ResourceQuota>({
  name: "shared.quota.example.com",
  match: { resources: ["resourcequotas/status"], operations: ["UPDATE"] },
  permissions: { read: ["v1/ResourceQuota"], quota: ["resourcequotas/*"] },
  validate: (context) => sharedQuota(context, { label: LABEL, limits: { "requests.memory": "20Gi" } }),
});

function quotaOf(namespace: string, memory: string, owner = "jane"): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: "shared", namespace, labels: { [LABEL]: owner } },
    status: { used: { "requests.memory": memory, pods: "100" } },
  };
}

/** The API server counts a request of jane's in the namespace `a`. */
function counting(memory: string, more: Case = {}, username = "system:apiserver"): Case {
  return {
    request: {
      operation: "UPDATE",
      kind: { group: "", version: "v1", kind: "ResourceQuota" },
      resource: { group: "", version: "v1", resource: "resourcequotas" },
      subResource: "status",
      namespace: "a",
      name: "shared",
      userInfo: { username },
      object: { ...quotaOf("a", memory) },
      oldObject: { ...quotaOf("a", "4Gi") },
    },
    inventory: [quotaOf("a", "4Gi"), quotaOf("b", "6Gi"), quotaOf("c", "8Gi"), quotaOf("d", "100Gi", "joe")],
    ...more,
  };
}

it("lets one namespace use what the others of the same owner leave", async () => {
  expect((await judge(shared, counting("6Gi"))).allowed).toBe(true);
  const { message, causes } = await judge(shared, counting("6145Mi"));
  expect(message).toContain("exceeded quota: requests.memory: requested 2049Mi, used 18Gi, limited to 20Gi");
  expect(causes).toMatchObject([{ field: "status.used", reason: "QuotaExceeded" }]);
});

it("counts what has been let pass a moment ago", async () => {
  const ledger = [{ key: `resourcequotas/${LABEL}/jane`, amounts: { "requests.memory": "1Gi" } }];
  expect((await judge(shared, counting("5Gi", { ledger }))).allowed).toBe(true);
  expect((await judge(shared, counting("6Gi", { ledger }))).allowed).toBe(false);
});

it("leaves alone who counts afterwards, and quotas without an owner", async () => {
  expect((await judge(shared, counting("90Gi", {}, "system:kube-controller-manager"))).allowed).toBe(true);
  const free = counting("90Gi");
  const object = { ...quotaOf("a", "90Gi"), metadata: { name: "shared", namespace: "a" } };
  expect((await judge(shared, { ...free, request: { ...free.request, object } })).allowed).toBe(true);
});

it("never refuses what uses no more than before", async () => {
  const ledger = [{ key: `resourcequotas/${LABEL}/jane`, amounts: { "requests.memory": "90Gi" } }];
  expect((await judge(shared, counting("4Gi", { ledger }))).allowed).toBe(true);
});
