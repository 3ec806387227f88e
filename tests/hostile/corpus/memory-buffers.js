// ArrayBuffers, which are not on the heap.
// must: error RangeError or Memory
// as script: same
// within: 10
function validate() {
  const hoard = [];
  for (;;) hoard.push(new Uint8Array(1 << 20).fill(1));
}
