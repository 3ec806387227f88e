// Imports text as code, at run time.
// must: no policy neither URLs nor absolute paths
// dialect: module
export default { /* POLICY */, async validate() { await import("data:text/javascript,export default 1"); } };
