// Source that is one text of megabytes.
// must: deny 4000000
// as script: same
// filled: 1000000 \x41
function validate({ deny }) {
  const text = "/* FILL */";
  deny(String(text.length * 4));
}
