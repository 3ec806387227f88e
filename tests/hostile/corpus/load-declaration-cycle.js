// A declaration that is its own part.
// must: no policy circular
// dialect: module
const all = { /* POLICY */, validate() {} };
all.parameters = { schema: all };
export default all;
