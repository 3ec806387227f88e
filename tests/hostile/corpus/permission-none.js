// Everything that needs a permission, without any.
// must: deny 8 of 8 refused
async function validate({ deny, get, list, create, update, patch, remove, fetch, env, readFile }) {
  const object = { apiVersion: "v1", kind: "Secret", metadata: { name: "x", namespace: "shop" } };
  const attempts = [
    () => get("v1/Secret", { namespace: "shop", name: "x" }), () => list("v1/Secret"), () => create(object), () => remove(object),
    () => patch("v1/Secret", { namespace: "shop", name: "x", patch: {} }), () => fetch("http://169.254.169.254/"), () => env("PATH"), () => readFile("/etc/passwd"),
  ];
  let refused = 0;
  for (const attempt of attempts) {
    try { await attempt(); } catch (error) { refused += /permission/i.test(`${error.reason} ${error.message}`) ? 1 : 0; }
  }
  deny(`${refused} of ${attempts.length} refused`);
}
