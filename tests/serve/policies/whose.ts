import { policy } from "@bylaw/sdk";

const tell = (name: string, match: object) =>
  policy({
    name: `${name}.policies.example`,
    match: { resources: ["pods"], ...match },
    validate({ tenant, vantage, virtual, deny }) {
      const { kind, trusted, namespace, vcluster, owner, parameters } = tenant;
      const seen = virtual && [virtual.metadata?.name, virtual.metadata?.namespace];
      deny(JSON.stringify([kind, trusted, tenant.name, namespace, vcluster?.version, owner, parameters, vantage, seen]));
    },
  });

export default [
  tell("all", {}),
  tell("of-one", { tenants: ["vc-one/dev"] }),
  tell("of-gold", { tenants: { matchLabels: { tier: "gold" } } }),
  tell("of-host", { vantage: "host" }),
  tell("of-virtual", { vantage: "virtual" }),
];
