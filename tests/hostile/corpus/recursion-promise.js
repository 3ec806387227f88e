// Promises resolved with promises, a hundred thousand deep.
// must: allow
// as script: same
async function validate() {
  let last = Promise.resolve(1);
  for (let at = 0; at < 1e5; at += 1) last = Promise.resolve(last).then((value) => value);
  await last;
}
