// Reads what somebody else's pattern matched last.
// must: deny undefined undefined
function validate({ deny }) {
  deny(`${RegExp.$1} ${RegExp.lastMatch}`);
}
