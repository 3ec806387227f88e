// A text made of a million pieces, which has to be put together.
// must: allow
// as script: same
function validate() {
  let text = "";
  for (let at = 0; at < 1e6; at += 1) text = `x${text}`;
  if (!text.endsWith("x")) throw text;
}
