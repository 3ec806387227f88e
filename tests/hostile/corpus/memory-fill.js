// One array larger than the heap.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  new Array(1e8).fill(1).map((x) => ({ x }));
}
