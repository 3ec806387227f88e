// The same where the state is behind a function.
// must: deny run 1
// runs: 4
const count = (() => { let runs = 0; return () => { runs += 1; return runs; }; })();
function validate({ deny }) {
  deny(`run ${count()}`);
}
