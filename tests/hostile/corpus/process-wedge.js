// Holds a worker process in a built-in that V8 does not interrupt.
// must: error Time or worker
// settings: isolation: "Process"
function validate() {
  Array(1e9).indexOf(1);
}
