// A script that calls itself by the engine's names, to be passed over where the author's place is told.
// must: error Error: x
// as script: same
function validate() {
  const error = new Error("x");
  error.stack = "Error: x\n    at bylaw:module:1:1\n    at bylaw:lockdown:2:2";
  throw error;
}
//# sourceURL=bylaw:lockdown
