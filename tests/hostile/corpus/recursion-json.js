// Nesting that natives walk by recursion.
// must: anything
// as script: same
function validate() {
  let deep = {};
  for (let i = 0; i < 1e6; i += 1) deep = { deep };
  JSON.stringify(deep);
}
