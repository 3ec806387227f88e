// Views and copies of buffers at the edge of the quota.
// must: error RangeError or Memory
// as script: same
function validate() {
  const hoard = [];
  for (;;) {
    const buffer = new ArrayBuffer(1 << 22);
    hoard.push(buffer.slice(0), new Uint8Array(buffer).subarray(1).slice(), buffer.transfer(1 << 21));
  }
}
