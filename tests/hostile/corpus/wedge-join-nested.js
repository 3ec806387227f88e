// Joins within the length of a text, one after the other.
// must: error Time or Memory
// as script: same
// costs a thread
function validate() {
  for (;;) Array(1 << 25).join(",").length;
}
