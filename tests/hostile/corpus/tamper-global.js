// Leaves something for whoever comes next.
// must: error TypeError
function validate() {
  globalThis.leak = "found";
}
