// A hundred megabytes of warnings.
// must: allow
function validate({ warn, audit }) {
  for (let at = 0; at < 100; at += 1) warn("y".repeat(1e6));
  for (let at = 0; at < 100; at += 1) audit(`key-${at}`, "z".repeat(1e6));
}
