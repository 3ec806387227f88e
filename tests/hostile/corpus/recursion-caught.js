// Recursion whose error is caught at each level, and begun again.
// must: error Time
// as script: same
function validate() {
  (function again() { try { again(); } catch { again(); } })();
}
