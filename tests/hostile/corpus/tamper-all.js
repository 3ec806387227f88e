// Writes to, deletes from and re-defines every property of every intrinsic there is.
// must: deny 0 changed
// as script: anything
function validate({ deny }) {
  const seen = new Set();
  const queue = [globalThis, function* () {}, async () => {}, async function* () {}, [].values(), new Map().keys(), new Set().keys(), ""[Symbol.iterator](), "".matchAll(/./g), new Uint8Array(),
    (function* () {})(), (async function* () {})(), [].values().map((x) => x)].flatMap((value) => [value, Object.getPrototypeOf(value)]);
  // Nobody else ever sees these.
  const own = new Set(queue.flatMap((value) => [value, typeof value === "function" ? value.prototype : undefined]));
  let changed = 0;
  const attempt = (change) => { try { return change(); } catch { return false; } };
  while (queue.length > 0) {
    const value = queue.pop();
    if (value === null || (typeof value !== "object" && typeof value !== "function") || seen.has(value)) continue;
    seen.add(value);
    queue.push(Object.getPrototypeOf(value));
    const isOwn = own.has(value) && !Object.isFrozen(value);
    for (const key of Reflect.ownKeys(value)) {
      const found = Object.getOwnPropertyDescriptor(value, key);
      queue.push(found.value, found.get, found.set);
      if (isOwn) continue;
      changed += attempt(() => Reflect.defineProperty(value, key, { value: 1 }) && !Object.is(found.value, 1)) ? 1 : 0;
      changed += attempt(() => Reflect.deleteProperty(value, key)) ? 1 : 0;
      if (found.set === undefined) changed += attempt(() => Reflect.set(value, key, "tampered")) ? 1 : 0;
      else attempt(() => found.set.call(value, "tampered"));
    }
    if (isOwn) continue;
    changed += attempt(() => Reflect.defineProperty(value, "leak", { value: 1 })) ? 1 : 0;
    changed += attempt(() => Reflect.set(value, Symbol.for("leak"), 1)) ? 1 : 0;
    changed += attempt(() => Reflect.setPrototypeOf(value, { leak: 1 })) ? 1 : 0;
    changed += attempt(() => !Object.isFrozen(value)) ? 1 : 0;
  }
  deny(`${changed} changed of what ${seen.size > 900 ? "all" : seen.size} have`);
}
