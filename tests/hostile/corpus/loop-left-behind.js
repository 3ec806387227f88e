// A loop left to a microtask by a run that throws.
// must: error Time
// as script: error Uncaught Error: x
function validate(c) {
  Promise.resolve().then(() => { for (;;); });
  throw new Error('x');
}
