// A change next to keys that name prototypes: the patch must touch nothing else.
// must: allow
// handlers: mutate
// review: prototype keys
function mutate({ object }) {
  object.data.added = Object.keys(object.data).length;
}
