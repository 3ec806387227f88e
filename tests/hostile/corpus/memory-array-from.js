// An array as long as somebody says.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  Array.from({ length: 5e7 }, (_, at) => [at]);
}
