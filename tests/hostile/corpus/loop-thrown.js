// A loop in the words of what is thrown.
// must: error more processor time
function validate(c) {
  throw { get message() { for (;;); } };
}
