// A sparse array made dense.
// must: anything
// as script: anything
// within: 10
// costs a thread
function validate() {
  const list = [];
  list[4e9] = 1;
  list.length = 3e7;
  list.fill({});
  list.flatMap((x) => [x, x, x]);
}
