// Looks for a clock fine enough to measure its neighbours by.
// must: deny no finer than a millisecond
// as script: same
function validate({ deny }) {
  const finer = [typeof performance, typeof SharedArrayBuffer, typeof Atomics, typeof setTimeout, typeof Temporal].filter((type) => type !== "undefined");
  const reads = new Set();
  for (let at = 0; at < 1e5; at += 1) reads.add(Date.now());
  const isFine = [...reads].some((read) => !Number.isInteger(read)) || finer.length > 0;
  deny(isFine ? `finer: ${finer.join()}` : "no finer than a millisecond");
}
