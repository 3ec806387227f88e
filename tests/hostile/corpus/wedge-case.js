// Long texts in upper case, where one letter becomes three.
// must: error Time or Memory
// as script: same
// costs a thread
function validate() {
  const text = "\u0390".repeat(1 << 22);
  for (;;) text.toUpperCase().toLowerCase();
}
