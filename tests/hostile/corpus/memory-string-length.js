// A text longer than any text.
// must: error Invalid string length
// as script: same
function validate() {
  let text = "x".repeat(2 ** 28);
  for (;;) text += text;
}
