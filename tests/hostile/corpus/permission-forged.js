// Host calls with arguments that mean something else by the time they are read.
// must: deny 4 of 4 refused
async function validate({ deny, env, readFile, get, fetch }) {
  let reads = 0;
  const shifty = { toString() { reads += 1; return reads > 1 ? "PATH" : "HOME"; } };
  const attempts = [() => env(shifty), () => readFile({ toJSON: () => "/etc/passwd" }), () => get({ lastIndexOf: () => 1, slice: () => "v1" }, { name: "x" }), () => fetch({ toString: () => "file:///etc/passwd" })];
  let refused = 0;
  for (const attempt of attempts) {
    try { await attempt(); } catch { refused += 1; }
  }
  deny(`${refused} of ${attempts.length} refused`);
}
