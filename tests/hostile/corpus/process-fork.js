// Looks for a way to other programs, files and sockets from where it runs.
// must: deny nothing there
// settings: isolation: "Process"
function validate({ deny }) {
  const there = ["process", "require", "Deno", "fork", "exec", "spawn", "Worker", "WebSocket"].filter((name) => name in globalThis);
  deny(there.length === 0 ? "nothing there" : there.join());
}
