// Recursion through getters, proxies and conversions.
// must: error Maximum call stack size exceeded
// as script: same
function validate() {
  const object = new Proxy({}, { get: (target, key, receiver) => receiver[key] });
  return object.x;
}
