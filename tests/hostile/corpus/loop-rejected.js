// A loop in the words of what a promise is rejected with.
// must: error more processor time
function validate(c) {
  return Promise.reject({ get message() { for (;;); } });
}
