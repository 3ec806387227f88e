// An array that grows.
// must: error more memory
// within: 10
function validate() {
  const hoard = [];
  for (;;) hoard.push({ hoard });
}
