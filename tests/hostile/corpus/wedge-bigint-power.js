// A number of a million digits, squared.
// must: error Time
// as script: same
// costs a thread
function validate() {
  let n = 3n ** 2_000_000n;
  for (;;) n = (n * n) % (2n ** 8_000_000n + 1n);
}
