// Closes what no limit of an isolate would cover, in every realm before anything else. Run once, without arguments.
(function limits() {
  "use strict";
  const { defineProperty, getOwnPropertyDescriptor } = Object;
  const { construct, deleteProperty } = Reflect;
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
})();
