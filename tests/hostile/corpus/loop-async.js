// An async handler that never yields.
// must: error Time
// as script: error Time
async function validate() {
  await null;
  for (;;) await null;
}
