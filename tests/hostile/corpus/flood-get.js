// Reads it may not make, without end, each caught.
// must: error Time
// as script: same
function validate({ get, list }) {
  for (;;) {
    try { (get ?? globalThis.get)("v1/Secret", { namespace: "kube-system", name: "x" }); } catch { }
    try { (list ?? globalThis.list)("v1/Secret"); } catch { }
  }
}
