// A string that doubles, made flat each time.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  let text = "x";
  for (;;) {
    text += text;
    /y/.test(text);
  }
}
