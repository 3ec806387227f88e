// A finally that never lets go.
// must: error Time
// as script: same
function validate() {
  (function again() { try { again(); } finally { for (;;); } })();
}
