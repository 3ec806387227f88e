// Requests to the network, each caught, more than may be under way.
// must: error Time or waits for something or HostError
// settings: permissions: { net: ["*"] }
// within: 10
async function validate({ fetch }) {
  for (;;) {
    const all = [];
    for (let at = 0; at < 200; at += 1) all.push(fetch("http://127.0.0.1:1/").catch(() => undefined));
    await Promise.all(all);
  }
}
