// Words of a text without spaces, found by a dictionary.
// must: error Time or Memory
// as script: same
// costs a thread
function validate() {
  const text = "ภาษาไทย".repeat(1 << 18);
  for (;;) [...new Intl.Segmenter("th", { granularity: "word" }).segment(text)].length;
}
