// Errors with long causes and stacks.
// must: error Time or Memory
// as script: same
// within: 10
function validate() {
  let cause;
  for (;;) cause = new Error("x".repeat(1000), { cause });
}
