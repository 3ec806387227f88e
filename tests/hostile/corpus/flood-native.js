// Host functions that need nothing but their argument, with large ones.
// must: error Time or Memory or RangeError
// within: 10
async function validate() {
  const bytes = new Uint8Array(8 << 20);
  for (;;) {
    new TextDecoder().decode(bytes);
    btoa("x".repeat(4 << 20));
    await crypto.subtle.digest("SHA-512", bytes);
  }
}
