// The digits of a number that has millions of them.
// must: error Time
// as script: same
// costs a thread
function validate() {
  for (;;) String(7n ** 3_000_000n).length;
}
