// An endless loop.
// must: error more processor time
function validate(c) {
  for (;;);
}
