// More arguments than a stack holds.
// must: error Maximum call stack size exceeded
// as script: same
function validate() {
  Math.max(...new Array(1e6).fill(1));
}
