import { policy } from "@bylaw/sdk";

// Calls to the host: the object chooses which one is made, and the denial tells what it gave or threw.
const names = (objects: readonly any[]) => objects.map((object) => object.metadata.name).sort();
const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "x", namespace: "shop" } };

const asks: Record<string, (context: any) => unknown> = {
  get: ({ get }) => get("v1/ConfigMap", { namespace: "shop", name: "one" }).data,
  getFrozen: ({ get }) => Object.isFrozen(get("v1/ConfigMap", { namespace: "shop", name: "one" }).metadata.labels),
  getNone: ({ get }) => String(get("v1/ConfigMap", { namespace: "shop", name: "none" })),
  getGroup: ({ get }) => get("apps/v1/Deployment", { namespace: "shop", name: "web" }).spec.replicas,
  getClusterScoped: ({ get }) => get("v1/Namespace", { name: "shop" }).metadata.labels.tier,
  getMisspelt: ({ get }) => get("ConfigMap", { name: "one" }),
  getOther: ({ get }) => get("v1/Secret", { namespace: "shop", name: "one" }),
  list: ({ list }) => names(list("v1/ConfigMap")),
  listNamespace: ({ list }) => names(list("v1/ConfigMap", { namespace: "shop" })),
  listSelectorText: ({ list }) => names(list("v1/ConfigMap", { selector: "app=web" })),
  listSelector: ({ list }) => {
    const selector = { matchExpressions: [{ key: "app", operator: "NotIn", values: ["web"] }] };
    return names(list("v1/ConfigMap", { namespace: "shop", selector }));
  },
  listNone: ({ list }) => list("apps/v1/StatefulSet"),
  listFrozen: ({ list }) => Object.isFrozen(list("v1/ConfigMap")),
  listOther: ({ list }) => list("v1/Secret"),
  env: ({ env }) => env("SHOP_MODE"),
  envUnset: ({ env }) => String(env("SHOP_UNSET")),
  envOther: ({ env }) => env("HOME"),
  file: ({ object, readFile }) => readFile(object.data.path),
  create: ({ create }) => create({ ...secret, kind: "ConfigMap" }),
  update: ({ update }) => update(secret),
  patch: ({ patch }) => patch("v1/Secret", { name: "x", namespace: "shop", patch: {} }),
  remove: ({ remove }) => remove(secret),
  fetch: async ({ object, fetch }) => {
    const response = await fetch(object.data.url);
    return [response.status, response.ok, response.headers["x-answer"], await response.json()];
  },
  fetchPost: async ({ object, fetch }) => {
    const response = await fetch(object.data.url, { method: "POST", body: "hello", headers: { "x-ask": "1" } });
    return response.json();
  },
};

const ask = (name: string, permissions: object) =>
  policy({
    name,
    match: { resources: ["configmaps"] },
    permissions,
    async validate(context) {
      const { object, deny } = context as any;
      let said;
      try {
        said = await asks[object.data.ask](context);
      } catch (error: any) {
        said = `${error.reason ?? error.name}: ${error.message}`;
      }
      deny(JSON.stringify(said));
    },
  });

export default [
  ask("bare.policies.example", {}),
  ask("granted.policies.example", {
    read: ["v1/ConfigMap", "apps/v1/*", "v1/Namespace"],
    env: ["SHOP_MODE", "SHOP_UNSET"],
    files: ["FOLDER/open/"],
    net: ["127.0.0.1"],
  }),
];
