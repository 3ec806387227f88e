// Deeper than a review may be.
// must: refused
// review: too deep
function validate() {}
