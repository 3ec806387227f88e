// Generators that are begun and never ended.
// must: error Time or Memory
// as script: same
// within: 10
function validate() {
  const hoard = [];
  for (;;) {
    const generator = (function* () { const own = new Array(8); yield own; })();
    generator.next();
    hoard.push(generator);
  }
}
