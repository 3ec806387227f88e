// A promise of a class of its own, whose `then` says what it likes.
// must: deny denied
function validate({ deny }) {
  class Own extends Promise { then(resolve) { resolve?.(undefined); return this; } static get [Symbol.species]() { return Own; } }
  deny("denied");
  return new Own((resolve) => resolve());
}
