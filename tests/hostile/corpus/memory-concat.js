// An array joined to itself.
// must: error Time or Memory
// as script: same
// within: 10
// costs a thread
function validate() {
  let list = [1];
  for (;;) list = list.concat(list);
}
