// Keeps the context of one run and uses it in the next, in the name of whoever runs then.
// must: deny now
// settings: isolation: "Shared"
// runs: 3
const kept = [];
function validate({ deny, warn, object }) {
  for (const old of kept) { old.warn("from an old run"); void old.object.metadata.name; }
  kept.push({ warn, object });
  deny("now");
}
