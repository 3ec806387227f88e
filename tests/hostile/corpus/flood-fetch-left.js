// Requests that nobody waits for.
// must: allow
// settings: permissions: { net: ["*"] }
// runs: 4
async function validate({ fetch }) {
  for (let at = 0; at < 60; at += 1) fetch("http://127.0.0.1:1/").then(() => { for (;;); }, () => { for (;;); });
}
