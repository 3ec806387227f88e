// Promises that nobody handles.
// must: error too many promises were rejected
// as script: same
function validate() {
  for (let i = 0; i < 2e5; i += 1) Promise.reject(i);
}
