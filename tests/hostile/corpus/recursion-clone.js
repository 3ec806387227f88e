// A copy of something too deep.
// must: error Maximum call stack size exceeded
function validate() {
  let deep = {};
  for (let at = 0; at < 1e5; at += 1) deep = { deep };
  structuredClone(deep);
}
