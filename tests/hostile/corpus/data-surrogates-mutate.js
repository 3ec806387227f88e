// A change next to halves of surrogate pairs, which no patch can hold.
// must: anything
// handlers: mutate
// review: surrogates
function mutate({ object }) {
  object.data.push("\ud800");
  object.metadata.labels["\udfff"] = "\ud83d";
}
