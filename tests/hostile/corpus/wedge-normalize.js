// Texts that normalization has to sort.
// must: error Time or Memory
// as script: same
// costs a thread
function validate() {
  const marks = "a" + "\u0315\u0300\u05ae\u0062".repeat(1 << 20) + "\u0315\u0300\u05ae".repeat(1 << 20);
  for (;;) marks.normalize("NFD");
}
