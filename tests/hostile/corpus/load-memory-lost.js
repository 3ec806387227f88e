// A top level that runs out of memory in a way that costs its thread.
// must: no policy no isolate thread answers or more memory
// dialect: module
// costs a thread
"x".repeat(2 ** 29 - 25).split("");
export default { /* POLICY */, validate() {} };
