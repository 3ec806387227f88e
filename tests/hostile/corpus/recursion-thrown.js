// Throws what cannot be turned into text without end.
// must: error Maximum call stack size exceeded or an object was thrown
// as script: error Uncaught
function validate() {
  let deep = {};
  for (let at = 0; at < 1e5; at += 1) deep = { deep };
  throw deep;
}
