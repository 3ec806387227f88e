// Halves of surrogate pairs in the review, told again.
// must: anything
// as script: anything
// review: surrogates
function validate({ object, deny, warn }) {
  warn(object.data.join(" "));
  deny(object.data[0].isWellFormed() ? "replaced" : "half");
}
