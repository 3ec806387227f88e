// Source that is nothing but nesting.
// must: no policy nest
// dialect: module
// filled: 20000 [
export default { /* POLICY */, validate() { return /* FILL */; } };
