// A stack that is only worded when somebody reads it.
// must: error Error: x
// as script: same
function validate() {
  const error = new Error("x");
  try { Object.defineProperty(error, "stack", { get() { throw error; } }); } catch { }
  throw error;
}
