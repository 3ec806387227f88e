// Imports a file of the machine.
// must: no policy neither URLs nor absolute paths
// dialect: module
import text from "/etc/passwd";
export default { /* POLICY */, validate({ deny }) { deny(text); } };
