// A WeakMap that keeps itself alive.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  const map = new WeakMap();
  let key = {};
  const first = key;
  for (;;) {
    const next = { first };
    map.set(key, next);
    key = next;
  }
}
