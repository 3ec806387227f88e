/** What the ResourceQuotas of many namespaces may use together. */

import type { ResourceQuota } from "../k8s/core/v1.ts";
import type { Amounts, ValidateContext } from "./context.ts";

/** Who writes what a quota uses before a request goes through; what counts afterwards is somebody else. */
const API_SERVER = "system:apiserver";

export interface SharedQuotaOptions {
  /** The label of ResourceQuotas whose value says which belong together, such as `example.com/owner`. */
  readonly label: string;
  /** The most that they may use together, by the names of ResourceQuotas; the tenant's `quotas` by default. */
  readonly limits?: Amounts | undefined;
}

/**
 * Holds all ResourceQuotas with one value of a label to a limit that they share: whatever Kubernetes counts, in as many
 * namespaces as there are, those of virtual clusters among them.
 *
 * For the `validate` of a policy that matches `UPDATE` of `resourcequotas/status`. Kubernetes counts a request there last of
 * all, when no other webhook can deny it any more, and refuses it where that is denied. The policy needs the permissions
 * `read: ["v1/ResourceQuota"]` and `quota: ["resourcequotas/*"]`, and each namespace a ResourceQuota with the label, whose
 * own `hard` names the resources and may be as large as the limit.
 */
export async function sharedQuota(
  context: Pick<ValidateContext<ResourceQuota>, "object" | "user" | "list" | "quota" | "deny">,
  { label, limits }: SharedQuotaOptions,
): Promise<void> {
  const { object, user, list, quota, deny } = context;
  const owner = object.metadata?.labels?.[label];
  if (owner === undefined || user.username !== API_SERVER) return;
  const together = list<ResourceQuota>("v1/ResourceQuota", { selector: { matchLabels: { [label]: owner } } });
  const answer = await quota.reserve({
    key: `resourcequotas/${label}/${owner}`,
    amounts: object.status?.used ?? {},
    limits,
    used: together.map((one) => ({ object: one, amounts: one.status?.used ?? {} })),
  });
  if (!answer.allowed) deny(answer.message, { field: "status.used", reason: "QuotaExceeded" });
}
