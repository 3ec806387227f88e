// Puts its own function in the place of one that the engine and its neighbours use.
// must: error TypeError
// as script: anything
function validate() {
  "use strict";
  Array.prototype.push = () => "tampered";
}
