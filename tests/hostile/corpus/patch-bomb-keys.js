// A mutation with more new members than any patch should have.
// must: anything
// handlers: mutate
// within: 8
function mutate({ object }) {
  for (let at = 0; at < 100_000; at += 1) object.metadata.labels[`key-${at}`] = "x";
}
