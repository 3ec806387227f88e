// A join of more than a text can be.
// must: error Invalid string length
// as script: same
// costs a thread
function validate() {
  Array(2 ** 28).join("xx");
  Array(2 ** 30).join("x");
}
