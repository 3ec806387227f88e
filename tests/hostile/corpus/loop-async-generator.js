// An async generator that never ends, awaited.
// must: error Time
// as script: same
async function* endless() { for (;;) yield null; }
async function validate() {
  for await (const value of endless()) if (value !== null) break;
}
