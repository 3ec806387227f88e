// Reaches for its callers: sloppy code that asks who called it.
// must: deny nobody
// as script: same
function validate({ deny }) {
  const sloppy = [1].map(function () { return this; })[0];
  const found = [];
  for (const look of [() => deny.caller, () => deny.arguments, () => validate.caller, () => (function () { return arguments.callee; })(), () => JSON.parse.caller, () => [].map.caller]) {
    try { const seen = look(); if (seen !== null && seen !== undefined && typeof seen === "function" && seen.toString().includes("bylaw")) found.push(String(seen)); } catch { }
  }
  if (sloppy !== undefined && sloppy !== globalThis) found.push(typeof sloppy);
  deny(found.length === 0 ? "nobody" : found.join());
}
