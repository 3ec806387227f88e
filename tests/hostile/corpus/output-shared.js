// A small graph that is a large tree: each level twice in the next.
// must: error Memory or more than 8388608 or Invalid string length or Time
// handlers: mutate
// within: 10
// costs a thread
function mutate({ object }) {
  let tree = { leaf: "x".repeat(64) };
  for (let at = 0; at < 40; at += 1) tree = { left: tree, right: tree };
  object.tree = tree;
}
