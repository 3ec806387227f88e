// Loops by the clock: in one second of two.
// must: anything
// as script: anything
// runs: 2
function validate({ deny }) {
  if (Math.floor(Date.now() / 1000) % 2 === 0) for (;;);
  deny("calm");
}
