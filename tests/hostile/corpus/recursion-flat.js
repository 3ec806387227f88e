// A list in a list in a list, made flat.
// must: error Maximum call stack size exceeded
// as script: same
function validate() {
  let list = [];
  for (let at = 0; at < 1e5; at += 1) list = [list];
  list.flat(Infinity);
}
