// A chain of a hundred thousand prototypes.
// must: allow
// as script: same
function validate() {
  let object = {};
  for (let at = 0; at < 1e5; at += 1) object = Object.create(object);
  if (object.nothing !== undefined) throw object;
}
