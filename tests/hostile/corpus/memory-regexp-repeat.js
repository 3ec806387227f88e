// A small pattern that is large once it is unrolled.
// must: anything
// as script: anything
// within: 10
// costs a thread
function validate() {
  new RegExp("((((a{1,1000}){1,1000}){1,1000}){1,1000})").test("aaaa");
}
