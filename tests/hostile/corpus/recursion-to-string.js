// A list that holds a hundred thousand lists, as text.
// must: anything
// as script: same
function validate() {
  let list = [];
  for (let at = 0; at < 1e5; at += 1) list = [list];
  String(list);
}
