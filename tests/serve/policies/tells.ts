import { policy } from "@bylaw/sdk";

// What the context holds: the object chooses which part is told, by the denial.
const tell: Record<string, (context: any) => unknown> = {
  members: (context) => Object.keys(context).sort().join(),
  notFunctions: (context) =>
    ["deny", "warn", "audit", "get", "list", "log", "create", "update", "patch", "remove", "fetch", "env", "readFile"]
      .filter((name) => typeof context[name] !== "function"),
  object: ({ object }) => object.data,
  oldObject: ({ oldObject }) => oldObject && oldObject.data,
  absent: ({ object, oldObject }) => [object, oldObject],
  request: ({ object, request }) => [request.uid, request.kind.kind, request.resource.resource, request.object === object],
  operation: ({ operation }) => operation,
  user: ({ user }) => user,
  namespace: ({ namespace }) => namespace,
  parameters: ({ parameters }) => parameters,
  dryRun: ({ dryRun }) => dryRun,
  now: ({ now }) => [now instanceof Date, Math.abs(now.getTime() - Date.now()) < 10_000],
  tenant: ({ tenant, vantage, virtual }) => [tenant.kind, tenant.trusted, vantage, virtual === undefined],
  template: ({ template }) => String(template),
  frozen: ({ object, oldObject, request, parameters, namespace, user, tenant }) =>
    [
      object, object.data, object.metadata, oldObject, oldObject.data, request, request.userInfo.groups, parameters,
      parameters.window, namespace, namespace.labels, user, tenant,
    ].map(Object.isFrozen),
};

export default policy({
  name: "tells.policies.example",
  match: { resources: ["configmaps"] },
  parameters: {
    schema: {
      type: "object",
      properties: {
        limit: { type: "integer", default: 3 },
        window: { type: "object", default: { hours: 8 } },
      },
    },
  },
  validate(context) {
    const { object, oldObject, deny } = context as any;
    deny(JSON.stringify(tell[(object ?? oldObject).data.tell](context)) ?? "undefined");
  },
});
