// A reviver that feeds the walk it is called from.
// must: error Time or Memory
// as script: same
function validate() {
  JSON.parse('{"a":[1]}', function (key, value) {
    if (Array.isArray(this)) this.push(1);
    return Array.isArray(value) ? [value] : value;
  });
  for (;;) JSON.parse('[1,[2,[3]]]', (key, value) => value);
}
