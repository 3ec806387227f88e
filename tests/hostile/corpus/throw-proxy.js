// Something thrown that cannot be told.
// must: error trap
function validate() {
  throw new Proxy({}, { get() { throw new Error("trap"); } });
}
