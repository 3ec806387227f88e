// A mutation that makes the object a part of itself.
// must: error circular
// handlers: mutate
function mutate({ object }) {
  object.metadata.self = object;
}
