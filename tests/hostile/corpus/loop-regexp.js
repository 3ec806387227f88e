// Backtracking without end.
// must: error Time
// as script: same
function validate(c) {
  /^(a+)+$/.test('a'.repeat(64) + 'b');
}
