// What no JSON may say.
// must: refused
// review: not a number
function validate() {}
