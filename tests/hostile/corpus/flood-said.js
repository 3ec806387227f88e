// Denies for as long as it may.
// must: error Time
function validate({ deny, warn, audit }) {
  for (;;) { deny("x"); warn("y"); audit("z", "z"); }
}
