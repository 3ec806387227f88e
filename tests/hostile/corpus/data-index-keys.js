// Keys that look like integers, chosen so that their hashes would be alike.
// must: deny 49000
// as script: same
// review: index keys
function validate({ object, deny }) {
  const copy = {};
  for (const key of Object.keys(object.data)) copy[key] = object.data[key];
  deny(String(Object.keys(copy).length));
}
