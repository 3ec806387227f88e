// Imports by a name that is only known at run time.
// must: no policy import() of a computed name
// dialect: module
async function validate({ deny, object }) {
  let imported = 0;
  for (const name of ["node:fs", "/etc/passwd", "./import-file.js", "data:text/javascript,1", object.metadata.name]) {
    try { await import(`${name}`); imported += 1; } catch { }
  }
  deny(`${imported} imported`);
}
export default { /* POLICY */, validate };
