// A text as long as a text can be, made flat.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  const hoard = [];
  for (let at = 0; ; at += 1) {
    hoard.push("x".repeat(2 ** 26) + at);
    hoard.at(-1).replaceAll("y", "z").charCodeAt(at);
    /y/.test(hoard.at(-1));
  }
}
