// An endless loop.
// must: error Time
// as script: same
function validate(c) {
  for (;;);
}
