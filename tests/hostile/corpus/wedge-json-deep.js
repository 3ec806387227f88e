// Text that is nothing but nesting, parsed.
// must: error Time or Memory
// as script: same
// costs a thread
function validate() {
  const text = "[".repeat(3e6) + "]".repeat(3e6);
  for (;;) JSON.parse(text);
}
