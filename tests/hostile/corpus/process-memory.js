// Runs a worker process out of memory: its domain gets one error, nobody else anything.
// must: error Memory or worker
// settings: isolation: "Process"
// within: 10
function validate() {
  let chain = () => 0;
  for (;;) {
    const last = chain;
    chain = () => last;
  }
}
