// A hundred megabytes to say.
// must: deny xxxx
// as script: error longer than or Memory or Time
function validate({ deny }) {
  deny("x".repeat(1e8));
}
