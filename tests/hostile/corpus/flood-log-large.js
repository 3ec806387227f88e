// One line of a hundred megabytes.
// must: allow
// as script: anything
function validate() {
  console.log("x".repeat(1e8));
}
