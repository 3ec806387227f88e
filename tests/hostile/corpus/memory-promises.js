// Promises without end, each waiting for the last.
// must: error Time or Memory
// as script: same
// within: 10
function validate() {
  let last = Promise.resolve();
  for (;;) last = last.then(() => last);
}
