// A default export whose members never come.
// must: no policy took more than
// dialect: module
export default { /* POLICY */, get validate() { for (;;); } };
