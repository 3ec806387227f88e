// Makes a realm safe to share between policies: what they could use to reach or change one another is taken
// away or frozen. Run once in a new realm, after Bylaw's own globals and before any policy.
(function lockdown() {
  "use strict";
  const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { apply, deleteProperty, ownKeys } = Reflect;
  const global = globalThis;

  // Temporal is absent from some builds of the library, so policies never see it; nor anything that makes its objects,
  // whose prototypes would be out of reach here. The other two are legacy.
  for (const name of ["Temporal", "escape", "unescape"]) deleteProperty(global, name);
  deleteProperty(Date.prototype, "toTemporalInstant");

  // RegExp.$1 and its kin hold the text of the last match, whoever made it.
  for (const name of ownKeys(RegExp)) {
    const text = typeof name === "string" ? name : "";
    if (/^(?:\$.|input|lastMatch|lastParen|leftContext|rightContext)$/.test(text)) deleteProperty(RegExp, name);
  }

  // Stack traces run a user's function while an error is made; policies get V8's plain text.
  deleteProperty(Error, "captureStackTrace");
  defineProperty(Error, "stackTraceLimit", { value: 10, writable: false, configurable: false, enumerable: true });
  defineProperty(Error, "prepareStackTrace", { value: undefined, writable: false, configurable: false });

  // The override mistake: a frozen prototype's data property forbids the same name on everything that inherits
  // from it. Npm packages write `this.name = …` and `object.toString = …`, so these become accessors that define
  // on the receiver.
  function repair(prototype, names) {
    for (const name of names) {
      const found = getOwnPropertyDescriptor(prototype, name);
      if (found === undefined || !found.configurable || !("value" in found)) continue;
      const { value } = found;
      const get = { get() { return value; } }.get;
      const set = { set(next) {
        if (this === prototype) throw new TypeError(`cannot change ${String(name)}: the realm is frozen`);
        if (Object(this) !== this) return;
        const own = getOwnPropertyDescriptor(this, name);
        if (own === undefined) {
          defineProperty(this, name, { value: next, writable: true, enumerable: true, configurable: true });
        } else {
          defineProperty(this, name, { value: next });
        }
      } }.set;
      // Tools that read the descriptor still find the original function.
      defineProperty(get, "originalValue", { value });
      defineProperty(prototype, name, { get, set, enumerable: found.enumerable, configurable: true });
    }
  }
  const usual = ["constructor", "toString", "toLocaleString", "valueOf", "hasOwnProperty", "toJSON", "name", "message"];
  // What everything inherits from, and what lodash and its like hang their functions on.
  for (const prototype of [Object.prototype, Function.prototype]) repair(prototype, ownKeys(prototype).filter((name) => typeof name === "string"));
  for (const prototype of [Promise.prototype, RegExp.prototype]) repair(prototype, ["then", "catch", "exec", "test"]);
  repair(Array.prototype, ["concat", "filter", "forEach", "indexOf", "join", "map", "pop", "push", "reduce",
    "slice", "some", "sort", "splice", Symbol.iterator]);
  for (const error of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError]) {
    repair(error.prototype, ["stack", "cause"]);
  }
  // Polyfills of buffers copy the whole of it, those of iterators their one method.
  const TypedArray = getPrototypeOf(Uint8Array);
  repair(TypedArray.prototype, ownKeys(TypedArray.prototype));
  repair(getPrototypeOf(getPrototypeOf([].values())), [Symbol.iterator]);
  for (const collection of [Map, Set, WeakMap, WeakSet]) repair(collection.prototype, ["get", "set", "has", "add", "delete"]);

  // Everything reachable from the global object, and the prototypes that only syntax reaches.
  async function* asyncGenerator() {}
  function* generator() {}
  const hidden = [
    getPrototypeOf(generator), getPrototypeOf(asyncGenerator), getPrototypeOf(async () => {}),
    getPrototypeOf(generator()), getPrototypeOf(asyncGenerator()),
    getPrototypeOf([][Symbol.iterator]()), getPrototypeOf(new Map().entries()), getPrototypeOf(new Set().values()),
    getPrototypeOf(""[Symbol.iterator]()), getPrototypeOf("".matchAll(/./g)), getPrototypeOf(Uint8Array),
    getOwnPropertyDescriptor(function () { return arguments; }.call(), "callee")?.value,
    // Strict functions' arguments carry the one thrower function of the realm.
    getOwnPropertyDescriptor(function () { "use strict"; return arguments; }.call(), "callee")?.get,
  ];
  if (typeof Iterator === "function") {
    hidden.push(getPrototypeOf(Iterator.from({ next() {} })), getPrototypeOf([].values().map((x) => x)));
  }
  if (typeof Intl === "object") {
    const segments = typeof Intl.Segmenter === "function" ? new Intl.Segmenter().segment("") : undefined;
    if (segments !== undefined) hidden.push(getPrototypeOf(segments), getPrototypeOf(segments[Symbol.iterator]()));
  }

  const seen = new Set();
  const queue = [...hidden, global];
  while (queue.length > 0) {
    const value = queue.pop();
    if (value === null || (typeof value !== "object" && typeof value !== "function") || seen.has(value)) continue;
    seen.add(value);
    const made = getOwnPropertyDescriptor(value, "constructor")?.value;
    if (typeof made === "function" && getOwnPropertyDescriptor(made, "prototype")?.value === value) repair(value, usual);
    queue.push(getPrototypeOf(value));
    for (const key of ownKeys(value)) {
      const found = getOwnPropertyDescriptor(value, key);
      if (found === undefined) continue;
      if ("value" in found) queue.push(found.value);
      else queue.push(found.get, found.set);
    }
  }
  seen.delete(global);
  for (const value of seen) apply(freeze, undefined, [value]);
  freeze(global);
})();
