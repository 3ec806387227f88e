// A loop in the words of what is thrown.
// must: error Time
// as script: error Uncaught [object Object]
function validate(c) {
  throw { get message() { for (;;); } };
}
