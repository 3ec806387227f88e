// Leaves something on a function that every policy is handed.
// must: error TypeError
function validate({ deny }) {
  deny.leak = "found";
}
