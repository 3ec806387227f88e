// Waits by the clock instead of sleeping.
// must: error Time
// as script: same
function validate() {
  const end = Date.now() + 60_000;
  while (Date.now() < end);
}
