// Leaves a message for others under a symbol that all realms share.
// must: error TypeError
function validate() {
  "use strict";
  const symbol = Symbol.for("leak");
  Object.assign(symbol, { leak: "found" });
  symbol.leak = "found";
}
