// A log without end.
// must: allow
function validate() {
  for (let i = 0; i < 500; i += 1) console.log("x".repeat(1e5), i);
}
