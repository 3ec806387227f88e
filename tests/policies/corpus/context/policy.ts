// What else a handler is given.
import { policy } from "@bylaw/sdk";
import type { ConfigMap } from "@bylaw/sdk/k8s/core/v1";

export default policy<ConfigMap>({
  name: "context.corpus.example",
  match: { resources: ["configmaps"] },
  validate(context) {
    const { object, oldObject, operation, user, namespace, tenant, vantage, dryRun, template, now, request, warn } =
      context;
    warn(
      JSON.stringify([operation, request.operation, user.username, user.groups, namespace, dryRun, template ?? null]),
    );
    warn(JSON.stringify([tenant.kind, tenant.trusted, vantage, request.resource.resource, request.uid.length]));
    warn(JSON.stringify([object as unknown, oldObject].map((side) => (side === null ? null : typeof side))));
    warn(JSON.stringify([Date.now() === now.getTime(), new Date().getTime() === now.getTime(), now instanceof Date]));
    warn(JSON.stringify([Math.random(), Math.random()]));
    warn(JSON.stringify([context, request, request.object, user].map(Object.isFrozen)));
    warn(
      JSON.stringify([
        new Date(0).toISOString(),
        new Intl.DateTimeFormat("en").format() === new Intl.DateTimeFormat("en").format(now),
      ]),
    );
  },
});
