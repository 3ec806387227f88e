// Promises rejected and handled later, over and over.
// must: error Time or Memory or too many promises
// as script: same
async function validate() {
  for (;;) {
    const all = [];
    for (let at = 0; at < 5000; at += 1) all.push(Promise.reject(at));
    await Promise.allSettled(all);
  }
}
