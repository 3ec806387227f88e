// A search that goes over the same text again and again.
// must: error Time
// as script: same
// costs a thread
function validate() {
  const text = "a".repeat(1 << 22);
  for (;;) text.indexOf(`${"a".repeat(1 << 16)}b`);
}
