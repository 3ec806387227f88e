// A chain of closures.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  let chain = () => 0;
  for (;;) {
    const last = chain;
    chain = () => last;
  }
}
