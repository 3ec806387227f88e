// Recursion without end.
// must: error Maximum call stack size exceeded
// as script: same
function validate() {
  (function f() { f(); })();
}
