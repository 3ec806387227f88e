// A function with tens of thousands of parameters, called with as many.
// must: anything
// as script: anything
// filled: 30000 a,
function validate({ deny }) {
  const f = (...all) => all.length;
  const a = 1;
  deny(String(f(/* FILL */a)));
}
