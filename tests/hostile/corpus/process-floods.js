// Floods the pipe of a worker process with all that a run may say and ask.
// must: deny x
// settings: isolation: "Process"
async function validate({ deny, warn, audit, get }) {
  for (let at = 0; at < 1e4; at += 1) { deny(`x ${at}`.repeat(100)); warn("y".repeat(1e4)); audit(`z${at}`, "z".repeat(1e4)); console.log("l".repeat(1e4)); }
  for (let at = 0; at < 2000; at += 1) { try { get("v1/Secret", { name: "x", namespace: "y" }); } catch { } }
}
