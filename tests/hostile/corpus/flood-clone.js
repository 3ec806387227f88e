// Copies of something large.
// must: error Time or Memory
// within: 10
function validate() {
  let all = { list: Array.from({ length: 1e5 }, (_, at) => ({ at })) };
  for (;;) all = structuredClone({ all, more: all });
}
