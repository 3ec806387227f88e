// Host calls without end.
// must: error HostError
function validate({ get }) {
  for (let i = 0; i < 1e6; i += 1) get("v1/Secret", { namespace: "kube-system", name: "x" });
}
