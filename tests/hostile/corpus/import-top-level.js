// A top level that leaves work for later, and throws in a microtask.
// must: no policy Error: later
// dialect: module
Promise.resolve().then(() => { throw new Error("later"); });
export default { /* POLICY */, validate({ deny }) { deny("x"); } };
