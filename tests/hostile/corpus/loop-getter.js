// A getter that never returns.
// must: error Time
// as script: same
function validate(c) {
  return ({ get x() { for (;;); } }).x;
}
