// A declaration of a hundred megabytes.
// must: no policy longer than or more memory
// dialect: module
export default { /* POLICY */, description: "x".repeat(1e8), validate() {} };
