// A top level that runs out of memory.
// must: no policy more memory
// dialect: module
const hoard = [];
for (;;) hoard.push({ hoard });
export default { /* POLICY */, validate() {} };
