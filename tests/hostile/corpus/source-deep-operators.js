// Source that nests without a bracket.
// must: no policy nest
// dialect: module
// filled: 50000 !
export default { /* POLICY */, validate() { return /* FILL */1; } };
