// Recursion without end.
// must: error Maximum call stack size exceeded
function validate() {
  (function f() { f(); })();
}
