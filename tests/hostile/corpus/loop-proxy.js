// A Proxy trap that never returns.
// must: error more processor time
function validate(c) {
  return new Proxy({}, { get() { for (;;); } }).x;
}
