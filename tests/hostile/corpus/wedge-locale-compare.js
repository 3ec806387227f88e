// A comparison by the rules of a language, of long texts.
// must: error Time or Memory
// as script: same
// costs a thread
function validate() {
  const text = "\u0061\u0301".repeat(1 << 21);
  for (;;) text.localeCompare(`${text}x`, "de");
}
