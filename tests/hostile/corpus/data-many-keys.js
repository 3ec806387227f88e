// As many keys as an object may have.
// must: deny 49000
// as script: same
// review: many keys
function validate({ object, deny }) {
  deny(String(Object.keys(object.data).length));
}
