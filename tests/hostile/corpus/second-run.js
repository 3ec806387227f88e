// Behaves on its first run, and loops on the second.
// must: deny calm
// runs: 3
let runs = 0;
function validate({ deny }) {
  runs += 1;
  if (runs > 1) for (;;);
  deny("calm");
}
