// A microtask that makes two.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  const again = () => { Promise.resolve().then(again); Promise.resolve().then(again); };
  again();
}
