// Something thrown that cannot be told.
// must: error trap
// as script: anything
function validate() {
  throw new Proxy({}, { get() { throw new Error("trap"); } });
}
