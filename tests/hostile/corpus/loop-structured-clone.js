// A getter that never returns, met by a copy.
// must: error Time
function validate() {
  structuredClone({ get a() { for (;;); } });
}
