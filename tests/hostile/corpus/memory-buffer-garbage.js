// Buffers that are let go at once: far more in all than the quota.
// must: allow
// as script: same
function validate() {
  for (let at = 0; at < 256; at += 1) new Uint8Array(1 << 20).fill(at);
}
