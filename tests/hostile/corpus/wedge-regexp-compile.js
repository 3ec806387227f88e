// A pattern that takes long to compile.
// must: anything
// as script: anything
// costs a thread
function validate() {
  for (let size = 1e4; ; size *= 2) new RegExp(`(${"(?:a|b[c-z]?){1,9}".repeat(size)}){1,99}`).test("abcabc");
}
