import { policy } from "@bylaw/sdk";

// Warns with all it was told.
export default policy({
  name: "tells.policies.example",
  match: { resources: ["configmaps"] },
  permissions: { read: ["v1/Secret"] },
  parameters: { schema: { type: "object", properties: { limit: { type: "integer", default: 1 } } } },
  validate({ object, oldObject, operation, user, namespace, request, parameters, list, warn }: any) {
    const { username, groups } = user;
    warn(JSON.stringify([operation, username, groups, namespace?.labels, request.name, object?.data.a, oldObject?.data.a]));
    warn(`limit ${parameters.limit}`);
    if (object?.data.reads) {
      const secrets = list("v1/Secret", { namespace: "shop" });
      warn(secrets.map((secret: any) => secret.metadata.name).join());
    }
  },
});
