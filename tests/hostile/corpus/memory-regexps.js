// Patterns without end: code and zones outside of the heap.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  const hoard = [];
  for (let at = 0; ; at += 1) {
    const pattern = new RegExp(`${at}(a|b|[c-z]{3,9})*?(?<name>x{1,100})\\k<name>`, "u");
    pattern.test("abc");
    hoard.push(pattern);
  }
}
