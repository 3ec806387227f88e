// More elements than any array has: V8 fails a check of its own.
// must: error more memory
// within: 10
// costs a thread
function validate() {
  "x".repeat(2 ** 29 - 25).split("");
}
