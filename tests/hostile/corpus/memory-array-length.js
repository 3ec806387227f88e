// Lengths that no array has.
// must: error Invalid array length
// as script: same
function validate() {
  new Array(-1);
}
