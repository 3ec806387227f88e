// The ledger: what others hold is the case's, what the request asks for is in its data.
import { policy, type ClaimOptions, type Quota, type ReserveOptions } from "@bylaw/sdk";
import type { ConfigMap } from "@bylaw/sdk/k8s/core/v1";

async function said(quota: Quota, ask: { reserve?: ReserveOptions; claim?: ClaimOptions }): Promise<string> {
  if (ask.claim !== undefined) {
    const { allowed, conflicts, message } = await quota.claim(ask.claim);
    return JSON.stringify([allowed, conflicts, message]);
  }
  const { allowed, used, remaining, message } = await quota.reserve(ask.reserve as ReserveOptions);
  return JSON.stringify([allowed, used, remaining, message]);
}

export default policy<ConfigMap>({
  name: "quota.corpus.example",
  match: { resources: ["configmaps"] },
  permissions: { quota: ["maps/*", "hosts"] },
  async validate({ object, quota, warn }) {
    for (const ask of JSON.parse(object.data?.["asks"] ?? "[]") as { reserve?: ReserveOptions; claim?: ClaimOptions }[]) {
      warn(await said(quota, ask));
    }
  },
});
