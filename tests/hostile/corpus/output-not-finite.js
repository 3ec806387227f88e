// A mutation with numbers that JSON does not have, and holes.
// must: allow
// handlers: mutate
function mutate({ object }) {
  object.list = [NaN, -Infinity, , undefined, () => 1, Symbol("x")];
  object.nothing = undefined;
  object.zero = -0;
  object.date = new Date(NaN);
}
