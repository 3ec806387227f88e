// Two long lists that have nothing in common, to be compared.
// must: anything
// handlers: mutate
// review: integer values
// within: 8
function mutate({ object }) {
  object.data = object.data.map((value, at) => `${at % 7}${value}`).reverse();
}
