// A function bound a hundred thousand times, and a proxy of a proxy.
// must: anything
// as script: same
function validate() {
  let bound = () => 1;
  for (let at = 0; at < 1e5; at += 1) bound = new Proxy(bound, {});
  bound();
}
