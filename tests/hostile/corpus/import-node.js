// Imports what only Node has.
// must: no policy node:fs
// dialect: module
import { readFileSync } from "node:fs";
export default { /* POLICY */, validate({ deny }) { deny(readFileSync("/etc/passwd", "utf8")); } };
