// Thenables that resolve to thenables without end.
// must: error Time or Memory
// as script: error Time or Memory
async function validate() {
  const next = () => ({ then(resolve) { resolve(next()); } });
  await next();
}
