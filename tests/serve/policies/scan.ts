import { policy } from "@bylaw/sdk";

// Policies for `bylaw scan`.
const configMaps = { resources: ["configmaps"] };

export default [
  policy<any>({
    name: "judge.policies.example",
    title: "Data is as it should be",
    category: "Tests",
    severity: "high",
    match: configMaps,
    parameters: { schema: { type: "object" } },
    validate({ object, operation, user, parameters, deny, warn }) {
      const a = object.data?.a;
      if (a === "bad") deny("a must not be bad", { field: "data.a" });
      if (a === "odd") warn("a is odd");
      if (a === "throw") throw new Error("thrown");
      if (object.metadata.name === "who") {
        warn(`${operation} by ${user.username} of ${user.groups} with ${JSON.stringify(parameters)}`);
      }
    },
  }),
  policy<any>({
    name: "stamps.policies.example",
    match: configMaps,
    mutate({ object }) {
      if (object.data?.a !== "stamp") return;
      object.data.a = "set";
      object.data.stamped = "yes";
    },
  }),
  policy<any>({
    name: "dry.policies.example",
    match: configMaps,
    enforcement: "Dry",
    validate({ object, deny }) {
      if (object.metadata.name === "dry") deny("not in earnest");
    },
  }),
  policy<any>({
    name: "images.policies.example",
    match: { resources: ["pods"], workloads: true },
    validate({ object, deny }) {
      object.spec.containers.forEach((container: any, at: number) => {
        if (container.image.endsWith(":latest")) {
          deny(`image ${container.image}`, { field: `spec.containers[${at}].image` });
        }
      });
    },
  }),
  policy<any>({
    name: "services.policies.example",
    match: { resources: ["services"], namespaceSelector: { matchLabels: { tier: "gold" } } },
    permissions: { read: ["v1/ConfigMap"] },
    validate({ object, get, deny }) {
      const { name, namespace } = object.metadata;
      if (!get("v1/ConfigMap", { namespace, name })) deny(`no ConfigMap ${name} in a gold namespace`);
    },
  }),
  policy<any>({
    name: "geese.policies.example",
    match: { apiGroups: ["example.com"], resources: ["geese"] },
    validate({ request, deny }) {
      deny(`no ${request.resource.resource}: ${request.namespace ?? "cluster"}`);
    },
  }),
  policy<any>({
    name: "tells.policies.example",
    match: { resources: ["secrets"] },
    mutate({ object }) {
      if (object.stringData) object.stringData.more = `${object.stringData.password} and more`;
    },
    validate({ object, deny, warn }) {
      deny(`the password is ${object.stringData.password}`, { field: `stringData["${object.stringData.password}"]` });
      warn(`the key is ${object.data.key}, that is ${atob(object.data.key)}`);
    },
  }),
];
