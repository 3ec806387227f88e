// A loop in what the engine reads after the script is done.
// must: error Time
// dialect: script
Object.defineProperty(globalThis, "__response", { get() { for (;;); } });
