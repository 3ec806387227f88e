// More elements than any array has: V8 fails a check of its own, where its processor time does not end first.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  "x".repeat(2 ** 29 - 25).split("");
}
