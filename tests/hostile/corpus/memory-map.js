// A Map that grows.
// must: error more memory
// within: 10
function validate() {
  const map = new Map();
  for (let i = 0; ; i += 1) map.set({}, [i]);
}
