// Leaves something for whoever comes next: the global object it finds is its bundle's own, in a realm for one run.
// must: deny nothing was left
// as script: anything
function validate({ deny }) {
  deny(globalThis.leak === undefined ? "nothing was left" : "found");
  globalThis.leak = "found";
}
