// A built-in that takes seconds, and that V8 does not interrupt.
// must: error Time
// as script: same
// costs a thread
function validate() {
  Array(1e9).indexOf(1);
}
