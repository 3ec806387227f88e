// Returns what the engine's own record looks like.
// must: error it must return nothing
function validate() {
  return "[[],[],[]]";
}
