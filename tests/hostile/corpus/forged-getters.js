// Returns an object whose getters would tell one thing to the check and another to the record.
// must: error it must return nothing
function validate() {
  let reads = 0;
  return { get allowed() { reads += 1; return reads > 1; }, get deny() { return undefined; }, toJSON() { return [[], [], []]; } };
}
