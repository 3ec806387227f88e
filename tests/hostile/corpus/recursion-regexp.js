// A pattern of nested groups that its parser walks by recursion.
// must: error Regular expression too large or Maximum call stack or Invalid regular expression
// as script: same
function validate() {
  new RegExp("(".repeat(1e6) + ")".repeat(1e6));
}
