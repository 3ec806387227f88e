// Asks where it comes from.
// must: anything
// dialect: module
function validate({ deny }) {
  deny(`${typeof import.meta.url} ${typeof import.meta.dirname}`);
}
export default { /* POLICY */, validate };
