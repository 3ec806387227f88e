// Values that look like integers, used as keys.
// must: deny 60000
// as script: same
// review: integer values
function validate({ object, deny }) {
  const index = Object.create(null);
  const set = new Set();
  for (const value of object.data) { index[value] = true; set.add(value); }
  deny(String(Math.max(set.size, Object.keys(index).length)));
}
