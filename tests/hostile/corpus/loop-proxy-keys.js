// Proxies behind proxies, in what the engine itself reads.
// must: error Time
// as script: deny x
function validate({ deny }) {
  const trap = new Proxy({}, { get() { for (;;); }, ownKeys() { for (;;); }, getPrototypeOf() { for (;;); } });
  deny("x", trap);
  throw trap;
}
