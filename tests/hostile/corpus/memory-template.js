// A copy of a copy of a text in a list, made text again.
// must: anything
// as script: anything
// within: 10
// costs a thread
function validate() {
  let list = ["x".repeat(1 << 20)];
  for (;;) list = [String(list), String(list), String(list)];
}
