// One text of half a gigabyte, made flat: V8 lets the first large object pass any limit.
// must: anything
// as script: anything
// within: 10
function validate() {
  /y/.test("x".repeat(2 ** 29 - 25));
}
