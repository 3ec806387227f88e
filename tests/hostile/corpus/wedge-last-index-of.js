// Built-ins that walk a length which nothing fills.
// must: error Time
// as script: same
// costs a thread
function validate() {
  const empty = Array(2e8);
  empty.lastIndexOf(1);
  empty.includes(1);
  empty.indexOf(1);
}
