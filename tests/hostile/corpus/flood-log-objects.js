// Prints objects that take long to word, or cannot be.
// must: error Time
// as script: error Time
function validate() {
  const deep = {};
  deep.deep = deep;
  for (;;) console.log(deep, { toJSON() { throw deep; } }, new Proxy([], {}), 1n, Symbol("x"));
}
