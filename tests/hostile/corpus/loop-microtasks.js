// Each microtask makes the next.
// must: error
function validate(c) {
  const again = () => Promise.resolve().then(again);
  again();
}
