// A top level that never ends.
// must: no policy took more than
// dialect: module
for (;;);
export default { /* POLICY */, validate() {} };
