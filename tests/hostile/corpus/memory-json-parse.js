// Text that takes far more memory once it is parsed.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  JSON.parse(`[${"[],".repeat(1e7)}[]]`);
}
