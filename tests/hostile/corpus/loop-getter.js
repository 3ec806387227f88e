// A getter that never returns.
// must: error more processor time
function validate(c) {
  return ({ get x() { for (;;); } }).x;
}
