// Makes V8 fail a check of its own, in a worker process.
// must: error Memory or worker
// settings: isolation: "Process"
// within: 10
function validate() {
  "x".repeat(2 ** 29 - 25).split("");
}
