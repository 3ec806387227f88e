// A long list that is shifted by one.
// must: anything
// handlers: mutate
// review: integer values
// within: 8
function mutate({ object }) {
  object.data.unshift("first");
  object.data.splice(30_000, 1);
}
