// A sort that never ends.
// must: error more processor time
function validate(c) {
  [3, 1, 2].sort(() => { for (;;); });
}
