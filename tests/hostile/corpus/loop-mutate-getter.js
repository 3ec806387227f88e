// A getter in the object that the engine turns into text.
// must: error Time
// handlers: mutate
function mutate({ object }) {
  Object.defineProperty(object, "extra", { enumerable: true, get() { for (;;); } });
}
