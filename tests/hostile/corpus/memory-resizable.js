// A buffer that takes its memory past the allocator.
// must: error resizable buffers are not available
// as script: same
function validate() {
  const buffer = new ArrayBuffer(1, { maxByteLength: 2 ** 33 });
  buffer.resize(2 ** 33);
  new Uint8Array(buffer).fill(1);
}
