// Half of a pair, which JSON text cannot carry.
// must: deny half
// as script: same
function validate({ deny, warn, audit }) {
  warn("\udc00");
  audit("key", "\ud800");
  deny("half \ud800", { field: "\udfff" });
}
