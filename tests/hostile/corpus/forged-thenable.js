// Returns a thenable that settles twice, and differently.
// must: error Error: second
async function validate() {
  return { then(resolve, reject) { Promise.resolve().then(() => reject(new Error("second"))); } };
}
