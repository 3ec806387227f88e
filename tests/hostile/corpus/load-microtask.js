// A top level that leaves a loop for later.
// must: no policy took more than
// dialect: module
Promise.resolve().then(() => { for (;;); });
export default { /* POLICY */, validate() {} };
