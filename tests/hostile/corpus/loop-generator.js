// A generator that never ends, spread.
// must: error Time
// as script: same
function validate(c) {
  for (const x of (function* () { for (;;) yield c; })()) if (x === undefined) break;
}
