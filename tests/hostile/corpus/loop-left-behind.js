// A loop left to a microtask by a run that throws.
// must: error more processor time
function validate(c) {
  Promise.resolve().then(() => { for (;;); });
  throw new Error('x');
}
