// A promise that is resolved with a thenable whose `then` never returns.
// must: error Time
// as script: same
async function validate() {
  await { then() { for (;;); } };
}
