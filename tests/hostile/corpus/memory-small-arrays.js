// Many small arrays.
// must: error Time or Memory
// as script: same
// within: 10
function validate() {
  let hoard = [];
  for (;;) hoard = [hoard, [1, 2, 3]];
}
