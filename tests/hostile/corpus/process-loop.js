// Loops in a worker process.
// must: error Time
// settings: isolation: "Process"
function validate() {
  for (;;);
}
