// A hundred megabytes of base64.
// must: error the argument is longer than
// as script: anything
function validate() {
  atob("QUFB".repeat(25e6));
}
