// An iterator that never ends, given to a built-in.
// must: error Time or Memory
// as script: same
function validate() {
  new Set({ [Symbol.iterator]() { return { next() { return { done: false, value: 0 }; } }; } });
}
