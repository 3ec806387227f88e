// An object whose keys never end.
// must: error Time or Memory
// as script: same
// within: 10
function validate() {
  const object = {};
  for (let at = 0; ; at += 1) object[`key-${at}`] = [at];
}
