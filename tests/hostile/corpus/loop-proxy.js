// A Proxy trap that never returns.
// must: error Time
// as script: same
function validate(c) {
  return new Proxy({}, { get() { for (;;); } }).x;
}
