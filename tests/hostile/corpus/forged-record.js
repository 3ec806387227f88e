// Breaks out of the record's JSON.
// must: deny "]],[],[]]
function validate({ deny, warn, audit }) {
  deny('"]],[],[]]\u2028\n\r\0');
  warn('"],[]]');
  audit('","', '"]');
}
