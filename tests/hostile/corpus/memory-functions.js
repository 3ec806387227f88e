// Functions and classes, each with code and feedback of its own.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  const hoard = [];
  for (;;) hoard.push(class { #own = hoard; static { hoard.push(() => this); } get own() { return this.#own; } });
}
