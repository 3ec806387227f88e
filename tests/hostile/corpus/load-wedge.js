// A top level that holds its thread in a built-in.
// must: no policy no isolate thread answers or took more than
// dialect: module
// costs a thread
Array(1e9).indexOf(1);
export default { /* POLICY */, validate() {} };
