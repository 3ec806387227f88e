// An array that grows.
// must: error Time or Memory
// as script: same
// within: 10
function validate() {
  const hoard = [];
  for (;;) hoard.push({ hoard });
}
