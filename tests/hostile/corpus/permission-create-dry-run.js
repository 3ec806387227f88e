// Writes in a dry run.
// must: anything
// settings: permissions: { write: ["v1/ConfigMap"] }
// review: dry run
async function validate({ create, dryRun, deny }) {
  if (!dryRun) return deny("no dry run");
  await create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x", namespace: "shop" } });
}
