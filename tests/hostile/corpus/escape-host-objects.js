// Looks for what belongs to the engine and not to the language.
// must: deny nothing there
// as script: deny nothing there
function validate({ deny }) {
  const names = ["Deno", "process", "require", "module", "Buffer", "global", "window", "self", "native", "bootstrap", "__bootstrap", "d8", "load", "readbuffer", "quit", "os", "Realm", "ShadowRealm", "gc",
    "setTimeout", "setInterval", "queueMicrotask", "importScripts", "XMLHttpRequest", "WebSocket", "Worker", "performance", "navigator", "WebAssembly", "SharedArrayBuffer", "Atomics", "FinalizationRegistry", "WeakRef"];
  const there = names.filter((name) => name in globalThis);
  deny(there.length === 0 ? "nothing there" : there.join());
}
