// A sort of a typed array, in one go.
// must: error Time
// as script: same
// costs a thread
function validate() {
  const numbers = new Float64Array(3 << 20);
  for (;;) {
    for (let at = 0; at < numbers.length; at += 64) numbers[at] = (at * 7919) % 65521;
    numbers.sort();
  }
}
