// A toJSON that never returns.
// must: error Time
// as script: same
function validate(c) {
  JSON.stringify({ toJSON() { for (;;); } });
}
