// Formatters, whose memory is outside of the heap.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  const hoard = [];
  for (;;) hoard.push(new Intl.DateTimeFormat("de", { dateStyle: "full", timeStyle: "full" }), new Intl.NumberFormat("ar"), new Intl.Collator("ja"), new Intl.Segmenter("th"));
}
