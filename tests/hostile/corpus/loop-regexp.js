// Backtracking without end.
// must: error more processor time
function validate(c) {
  /^(a+)+$/.test('a'.repeat(64) + 'b');
}
