// A pattern whose classes of letters are many, in Unicode and without case.
// must: anything
// as script: anything
// within: 10
// costs a thread
function validate() {
  for (let size = 256; ; size *= 2) new RegExp("[\\p{L}--[a-z]]\\p{RGI_Emoji}?".repeat(size), "vi").test("x");
}
