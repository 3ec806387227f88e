import { policy } from "@bylaw/sdk";
import type { Namespace } from "@bylaw/sdk/k8s/core/v1";
import type { NetworkPolicy } from "@bylaw/sdk/k8s/networking/v1";

const NETWORK_POLICY = "networking.k8s.io/v1/NetworkPolicy";
const NAME = "default-deny";

/** What each namespace gets: nothing comes in unless another policy lets it. */
const denyAll = (namespace: string): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: NAME, namespace },
  spec: { podSelector: {}, policyTypes: ["Ingress"] },
});

export default policy<Namespace>({
  name: "%policy%",
  title: "Namespaces are closed until someone opens them",
  description: "Keeps a NetworkPolicy that denies all ingress in every namespace with the label isolated=true.",
  category: "Network",
  severity: "medium",
  match: { resources: ["namespaces"], objectSelector: { matchLabels: { isolated: "true" } } },
  permissions: { read: [NETWORK_POLICY], write: [NETWORK_POLICY] },

  async reconcile({ object, get, create, log }) {
    const namespace = object?.metadata?.name;
    // A namespace that goes takes what is in it along.
    if (namespace === undefined || object?.metadata?.deletionTimestamp !== undefined) return;
    if (get<NetworkPolicy>(NETWORK_POLICY, { namespace, name: NAME }) !== undefined) return;
    await create(denyAll(namespace));
    log(`closed namespace ${namespace}`);
  },
});
