// More small objects than one would think fit in a review.
// must: anything
// as script: anything
// review: many objects
// within: 8
function validate({ object, deny }) {
  deny(String(object.data.length));
}
