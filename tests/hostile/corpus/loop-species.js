// A species that never makes what it is asked for.
// must: error Time
// as script: same
function validate() {
  class Own extends Array { static get [Symbol.species]() { for (;;); } }
  Own.from([1, 2]).map((x) => x);
}
