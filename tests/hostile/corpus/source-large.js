// A function of a hundred thousand statements.
// must: deny large
// as script: same
// filled: 100000 s+=1;
function validate({ deny }) {
  let s = 0;
  /* FILL */
  deny(s === 1e5 ? "large" : "wrong");
}
