// A Map that grows.
// must: error Time or Memory
// as script: same
// within: 10
function validate() {
  const map = new Map();
  for (let i = 0; ; i += 1) map.set({}, [i]);
}
