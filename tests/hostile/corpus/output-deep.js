// A mutation that leaves something too deep for whoever reads it next.
// must: anything
// handlers: mutate
function mutate({ object }) {
  let deep = {};
  for (let at = 0; at < 3000; at += 1) deep = { deep };
  object.deep = deep;
}
