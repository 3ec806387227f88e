// Loops in a worker process.
// must: error Time
// settings: isolation: "Process"
// needs a worker process
function validate() {
  for (;;);
}
