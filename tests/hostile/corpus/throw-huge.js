// An error with a text of half a gigabyte.
// must: error xxx
// as script: same
function validate() {
  throw "x".repeat(2 ** 28);
}
