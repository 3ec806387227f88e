// A change next to numbers that JavaScript does not hold: they must stay as they were.
// must: allow
// handlers: mutate
// review: numbers
function mutate({ object }) {
  object.metadata.labels.changed = "yes";
}
