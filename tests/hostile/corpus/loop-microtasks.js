// Each microtask makes the next.
// must: error Time or Memory
// as script: same
function validate(c) {
  const again = () => Promise.resolve().then(again);
  again();
}
