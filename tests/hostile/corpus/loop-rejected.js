// A loop in the words of what a promise is rejected with.
// must: error Time
// as script: error Uncaught [object Object]
function validate(c) {
  return Promise.reject({ get message() { for (;;); } });
}
