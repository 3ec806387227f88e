// Imports a file of the network.
// must: no policy neither URLs nor absolute paths
// dialect: module
export default { /* POLICY */, async validate() { await import("https://example.com/x.js"); } };
