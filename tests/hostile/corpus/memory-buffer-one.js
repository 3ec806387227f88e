// One buffer larger than the machine.
// must: error RangeError or Memory
// as script: same
function validate() {
  return new ArrayBuffer(2 ** 40).byteLength;
}
