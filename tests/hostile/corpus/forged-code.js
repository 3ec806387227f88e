// Denies with codes that would mean success.
// must: error code must be an integer
function validate({ deny }) {
  deny("x", { code: 200 });
}
