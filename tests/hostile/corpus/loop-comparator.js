// A sort that never ends.
// must: error Time
// as script: same
function validate(c) {
  [3, 1, 2].sort(() => { for (;;); });
}
