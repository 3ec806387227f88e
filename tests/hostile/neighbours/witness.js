// Tells what its realm is made of, so that anything which an attack left in it shows as another answer.
function validate({ deny, warn, object }) {
  const seen = new Map();
  const queue = [];
  const add = (value, path) => {
    if (value === null || (typeof value !== "object" && typeof value !== "function") || seen.has(value)) return;
    seen.set(value, path);
    queue.push(value);
  };
  add(globalThis, "global");
  for (const [at, made] of [
    () => {}, function* () {}, async () => {}, async function* () {}, [].values(), new Map().keys(), new Set().keys(), ""[Symbol.iterator](), "".matchAll(/./g),
    new Uint8Array(), [].values().map((x) => x), (function* () {})(), (async function* () {})(), deny, warn, new Error(""), Promise.resolve(),
  ].entries()) {
    add(typeof made === "function" ? made : Object.getPrototypeOf(made), `made ${at}`);
    add(Object.getPrototypeOf(made), `prototype ${at}`);
  }
  let print = 0;
  let count = 0;
  const note = (text) => {
    count += 1;
    for (let at = 0; at < text.length; at += 1) print = (print * 31 + text.charCodeAt(at)) | 0;
  };
  while (queue.length > 0) {
    const value = queue.pop();
    const path = seen.get(value);
    note(`${path} ${typeof value} ${Object.isFrozen(value)} ${Object.isExtensible(value)}`);
    add(Object.getPrototypeOf(value), `${path}.prototype`);
    for (const key of Reflect.ownKeys(value)) {
      const found = Object.getOwnPropertyDescriptor(value, key);
      const { writable, enumerable, configurable } = found;
      const plain = ["string", "number", "boolean", "undefined"].includes(typeof found.value) ? String(found.value) : typeof found.value;
      note(`${path}.${String(key)} ${writable} ${enumerable} ${configurable} ${plain} ${typeof found.get} ${typeof found.set}`);
      for (const part of [found.value, found.get, found.set]) add(part, `${path}.${String(key)}`);
    }
  }
  const state = [
    Symbol.for("leak").description, Symbol.for("leak").leak, new Error("x").stack.split("\n")[0], Error.stackTraceLimit, RegExp.$1, RegExp.lastMatch,
    (1234.5).toLocaleString(), new Intl.DateTimeFormat().resolvedOptions().timeZone, new Date(0).getTimezoneOffset(), [3, 10, 2].sort().join(), `${{}} ${[1, 2]}`,
    JSON.stringify({ a: [1, { b: null }] }), Object.keys(globalThis).join(), Object.keys(object).join(), JSON.stringify({ ...{ __proto__: { leak: 1 } } }),
  ];
  deny(`${seen.size} objects, ${count} facts, ${print}: ${state.map(String).join("; ")}`);
}
export default { name: "witness.example.com", match: { resources: ["pods"], objectSelector: { matchLabels: { case: "witness" } } }, validate };
