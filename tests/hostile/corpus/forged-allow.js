// Denies, then tries to take it back.
// must: deny denied once
function validate(c) {
  c.deny("denied once");
  for (const key of Object.keys(c)) delete c[key];
  return Promise.resolve();
}
