// A length that somebody made up.
// must: error Time or Memory
// as script: same
// costs a thread
function validate() {
  Array.prototype.reverse.call({ length: 2 ** 53 - 1 });
}
