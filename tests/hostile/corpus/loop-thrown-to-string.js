// A loop in the stack, name and text of what is thrown.
// must: error Time
// as script: error Time
function validate() {
  const error = new Error("x");
  for (const key of ["name", "message", "stack", "toString", "cause"]) Object.defineProperty(error, key, { get() { for (;;); } });
  throw error;
}
