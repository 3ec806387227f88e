// A toJSON in the object that the engine turns into text.
// must: error Time
// handlers: mutate
// as script: same
function mutate({ object }) {
  object.metadata.toJSON = () => { for (;;); };
}
