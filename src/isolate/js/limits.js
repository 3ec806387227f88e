// Closes what no limit of an isolate would cover, in every realm before anything else. Run once, without arguments;
// gives the function that begins a new turn for `Symbol.for`.
(function limits() {
  "use strict";
  const { defineProperty, getOwnPropertyDescriptor } = Object;
  const { apply, construct, deleteProperty } = Reflect;
  const global = globalThis;

  // Memory outside of the heap (WebAssembly.Memory) and code that runs after its run, when the collector has been
  // around (FinalizationRegistry). WeakRef objects of one run are kept without a bound that could be survived.
  for (const name of ["WebAssembly", "SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry", "ShadowRealm"]) {
    deleteProperty(global, name);
  }

  // A resizable buffer takes its memory from the system, past the allocator that counts it.
  const Native = global.ArrayBuffer;
  const Fixed = function ArrayBuffer(length, options) {
    if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'");
    if (options?.maxByteLength !== undefined) throw new RangeError("ArrayBuffer: resizable buffers are not available here");
    return construct(Native, [length], new.target);
  };
  for (const name of ["length", "isView", Symbol.species]) {
    const found = getOwnPropertyDescriptor(Native, name);
    if (found !== undefined) defineProperty(Fixed, name, found);
  }
  defineProperty(Fixed, "prototype", { value: Native.prototype, writable: false });
  defineProperty(Native.prototype, "constructor", { value: Fixed });
  defineProperty(global, "ArrayBuffer", { value: Fixed });

  // V8 keeps registered symbols for as long as the isolate lives, and for all of its realms: a text that is new in each
  // run would fill the heap for good. So a realm has a registry of its own, and what a run adds to it goes with the run.
  const { get, set } = Map.prototype;
  const registry = () => ({ symbols: new Map(), texts: new Map() });
  const lasting = registry();
  let passing;
  let isRun = false;
  const find = (of, key) => {
    const found = apply(get, lasting[of], [key]);
    return found !== undefined || passing === undefined ? found : apply(get, passing[of], [key]);
  };
  const registered = { for(key) {
    const text = `${key}`;
    const known = find("symbols", text);
    if (known !== undefined) return known;
    if (isRun) passing ??= registry();
    const into = isRun ? passing : lasting;
    const made = Symbol(text);
    apply(set, into.symbols, [text, made]);
    apply(set, into.texts, [made, text]);
    return made;
  } }.for;
  const keyFor = { keyFor(symbol) {
    if (typeof symbol !== "symbol") throw new TypeError("Symbol.keyFor: expects a symbol");
    return find("texts", symbol);
  } }.keyFor;
  defineProperty(Symbol, "for", { value: registered });
  defineProperty(Symbol, "keyFor", { value: keyFor });
  return (run) => {
    passing = undefined;
    isRun = run;
  };
})();
