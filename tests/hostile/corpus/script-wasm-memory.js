// Memory that no limit of the isolate covers.
// must: error WebAssembly is not defined
// dialect: script
const memory = new WebAssembly.Memory({ initial: 65536 });
new Uint8Array(memory.buffer).fill(1);
