// A toJSON that never returns.
// must: error more processor time
function validate(c) {
  JSON.stringify({ toJSON() { for (;;); } });
}
