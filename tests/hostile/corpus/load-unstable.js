// Declares itself differently each time it is looked at.
// must: anything
// dialect: module
let looks = 0;
const all = { /* POLICY */ };
export default { ...all, get validate() { looks += 1; return looks > 1 ? undefined : ({ deny }) => deny("x"); } };
