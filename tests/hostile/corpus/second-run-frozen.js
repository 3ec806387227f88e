// The same with the state on functions and classes of its own.
// must: deny calm
// runs: 3
class Own { static runs = []; }
function validate({ deny }) {
  validate.runs = (validate.runs ?? 0) + 1;
  Own.runs.push(validate.runs);
  if (validate.runs > 1) for (;;);
  deny("calm");
}
