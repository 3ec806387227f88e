// Symbols in the registry that all realms share.
// must: error Time or Memory
// as script: same
// within: 10
function validate() {
  const hoard = [];
  for (let at = 0; ; at += 1) hoard.push(Symbol.for(`${at} ${"x".repeat(64)}`));
}
