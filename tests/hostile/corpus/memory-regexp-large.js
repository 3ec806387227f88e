// One pattern of a hundred megabytes.
// must: anything
// as script: anything
// within: 10
// costs a thread
function validate() {
  new RegExp("(a|b)".repeat(2e7)).test("ab");
}
