import { policy } from "@bylaw/sdk";

const match = { resources: ["*/*"] };

export default [
  // Refuses all there is, and says what it was told.
  policy({
    name: "told.inside.example",
    match: { ...match, vantage: "virtual" },
    validate({ tenant, vantage, virtual, user, namespace, dryRun, deny }) {
      const { kind, trusted, vcluster, owner } = tenant;
      deny(JSON.stringify({ kind, trusted, vcluster: vcluster?.name, in: tenant.namespace, owner, vantage, virtual: virtual ?? null, user: user.username, namespace, dryRun }));
    },
    mutate({ object, tenant }) {
      if (object?.metadata) (object.metadata.labels ??= {}).tenant = `${tenant.vcluster?.namespace}`;
    },
  }),
  policy({
    name: "prod.inside.example",
    match: { ...match, vantage: "virtual", namespaceSelector: { matchLabels: { stage: "prod" } } },
    validate({ deny }) { deny("prod"); },
  }),
  policy({
    name: "one.inside.example",
    match: { ...match, vantage: "both", tenants: ["vc-one/dev"] },
    validate({ deny }) { deny("one"); },
  }),
  policy({ name: "host.inside.example", match: { ...match, vantage: "host" }, validate({ dryRun, deny }) { deny(`host ${dryRun}`); } }),
];
