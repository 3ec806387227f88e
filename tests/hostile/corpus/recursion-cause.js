// Errors that are the cause of one another.
// must: error Error: first
// as script: same
function validate() {
  const first = new Error("first");
  first.cause = new Error("second", { cause: first });
  first.errors = [first];
  throw first;
}
