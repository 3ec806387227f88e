// Reads files, the environment and the network of a worker process, without a permission.
// must: deny 4 of 4 refused
// settings: isolation: "Process"
async function validate({ deny, readFile, env, fetch }) {
  const attempts = [() => readFile("/proc/self/environ"), () => readFile("/proc/1/maps"), () => env("PATH"), () => fetch("http://127.0.0.1:1/")];
  let refused = 0;
  for (const attempt of attempts) {
    try { await attempt(); } catch { refused += 1; }
  }
  deny(`${refused} of ${attempts.length} refused`);
}
