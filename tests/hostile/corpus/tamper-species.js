// Lets built-ins make objects of a class of its own, which tell it of their work.
// must: deny saw 3
// as script: same
function validate({ deny }) {
  let saw = 0;
  class Spy extends Array { constructor(...all) { super(...all); saw += 1; } }
  Spy.of(1, 2).map((x) => x).filter(Boolean);
  class Own extends Promise { static get [Symbol.species]() { saw += 0; return Promise; } }
  Own.resolve(1).then(() => 2);
  const foreign = [1, 2];
  try { foreign.constructor = { [Symbol.species]: Spy }; } catch { }
  deny(`saw ${saw}`);
}
