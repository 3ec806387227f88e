// Reads: denied by default, from memory, frozen.
import { policy, type Host } from "@bylaw/sdk";
import type { ConfigMap } from "@bylaw/sdk/k8s/core/v1";

const READS: Record<string, (host: Host) => unknown> = {
  get: ({ get }) => get<ConfigMap>("v1/ConfigMap", { namespace: "shop", name: "settings" })?.data,
  missing: ({ get }) => typeof get("v1/ConfigMap", { namespace: "shop", name: "nope" }),
  secret: ({ get }) => get("v1/Secret", { namespace: "shop", name: "token" }),
  unscoped: ({ get }) => get("v1/ConfigMap", { name: "settings" }),
  kindless: ({ get }) => get("ConfigMap", { name: "settings" }),
  list: ({ list }) => names(list("v1/ConfigMap")),
  namespace: ({ list }) => names(list("v1/ConfigMap", { namespace: "shop" })),
  selector: ({ list }) => names(list("v1/ConfigMap", { selector: { matchLabels: { app: "web" } } })),
  text: ({ list }) => names(list("v1/ConfigMap", { selector: "app in (web, db),!old" })),
  "bad text": ({ list }) => names(list("v1/ConfigMap", { selector: "app in (" })),
  nothing: ({ list }) => names(list("apps/v1/Deployment")),
  cluster: ({ get }) => get("v1/Namespace", { name: "shop" })?.metadata?.labels,
  frozen: ({ list }) => list("v1/ConfigMap").every(Object.isFrozen),
  change: ({ get }) => Object.assign(get("v1/ConfigMap", { namespace: "shop", name: "settings" }) ?? {}, { a: 1 }),
  env: ({ env }) => env("HOME"),
  file: ({ readFile }) => readFile("/etc/hostname"),
  net: ({ fetch }) => fetch("https://example.com/"),
  write: ({ create }) => create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } }),
};

function names(objects: ReturnType<Host["list"]>): string[] {
  return objects.map(({ metadata }) => `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`);
}

export default policy<ConfigMap>({
  name: "reads.corpus.example",
  match: { resources: ["configmaps"] },
  permissions: { read: ["v1/ConfigMap", "apps/v1/*", "v1/Namespace"] },
  async validate(context) {
    context.warn(JSON.stringify(await READS[context.object.data?.["read"] ?? ""]?.(context)));
  },
});
