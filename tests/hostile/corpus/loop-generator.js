// A generator that never ends, spread.
// must: error more processor time
function validate(c) {
  for (const x of (function* () { for (;;) yield c; })()) if (x === undefined) break;
}
