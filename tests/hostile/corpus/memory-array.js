// An array that grows.
// must: error Memory
// as script: same
// within: 10
function validate() {
  const hoard = [];
  for (;;) hoard.push({ hoard });
}
