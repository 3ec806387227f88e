// A text of the largest size that an object may have, worked on.
// must: deny 3145728
// as script: same
// review: large text
function validate({ object, deny }) {
  deny(String([...object.data].reverse().join("").length));
}
