// An async handler that never yields.
// must: error more processor time
async function validate() {
  await null;
  for (;;) await null;
}
