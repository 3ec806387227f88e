// Imports a file outside of its folder.
// must: no policy ../../
// dialect: module
import text from "../../../../../../etc/passwd";
export default { /* POLICY */, validate({ deny }) { deny(text); } };
