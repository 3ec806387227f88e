// Numbers pushed for ever: one store that doubles.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  const hoard = [];
  for (;;) hoard.push(1.5);
}
