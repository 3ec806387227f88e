// An argument that would be copied out of the isolate.
// must: error the argument is longer than
function validate() {
  new TextEncoder().encode("x".repeat(2 ** 25));
}
