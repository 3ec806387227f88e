// Large numbers, kept.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  const hoard = [];
  for (let at = 0n; ; at += 1n) hoard.push((1n << 20_000_000n) + at);
}
