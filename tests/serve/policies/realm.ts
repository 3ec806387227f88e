import { policy } from "@bylaw/sdk";

// What must not be there.
const absent: Record<string, () => string> = {
  WebAssembly: () => typeof WebAssembly,
  setTimeout: () => typeof (globalThis as any).setTimeout,
  setInterval: () => typeof (globalThis as any).setInterval,
  setImmediate: () => typeof (globalThis as any).setImmediate,
  queueMicrotask: () => typeof (globalThis as any).queueMicrotask,
  process: () => typeof (globalThis as any).process,
  require: () => typeof require,
  module: () => typeof module,
  Buffer: () => typeof (globalThis as any).Buffer,
  global: () => typeof (globalThis as any).global,
  window: () => typeof (globalThis as any).window,
  self: () => typeof (globalThis as any).self,
  Deno: () => typeof (globalThis as any).Deno,
  Bun: () => typeof (globalThis as any).Bun,
  SharedArrayBuffer: () => typeof SharedArrayBuffer,
  Atomics: () => typeof Atomics,
  WeakRef: () => typeof WeakRef,
  FinalizationRegistry: () => typeof FinalizationRegistry,
  ShadowRealm: () => typeof (globalThis as any).ShadowRealm,
  Temporal: () => typeof (globalThis as any).Temporal,
  XMLHttpRequest: () => typeof (globalThis as any).XMLHttpRequest,
  WebSocket: () => typeof (globalThis as any).WebSocket,
  Worker: () => typeof (globalThis as any).Worker,
  fetch: () => typeof (globalThis as any).fetch,
  deny: () => typeof (globalThis as any).deny,
  print: () => typeof (globalThis as any).print,
  gc: () => typeof (globalThis as any).gc,
  navigator: () => typeof (globalThis as any).navigator,
  performance: () => typeof (globalThis as any).performance,
  importScripts: () => typeof (globalThis as any).importScripts,
  localStorage: () => typeof (globalThis as any).localStorage,
};

// What must be there, and what it must give.
const present: [() => unknown, unknown][] = [
  [() => new URL("../b?x=1#y", "https://user@example.com:8443/a/c/").href, "https://user@example.com:8443/a/b?x=1#y"],
  [() => new URL("https://bücher.example/ä").hostname, "xn--bcher-kva.example"],
  [() => new URL("https://a.b/?q=1&q=2").searchParams.getAll("q").join(), "1,2"],
  [() => new URLSearchParams({ a: "1 2", b: "ä" }).toString(), "a=1+2&b=%C3%A4"],
  [() => URL.canParse("not a url"), false],
  [() => new TextEncoder().encode("aé€😀").join(), "97,195,169,226,130,172,240,159,152,128"],
  [() => new TextDecoder().decode(new Uint8Array([0xe2, 0x82, 0xac, 0xff])), "€\ufffd"],
  [() => btoa("h\u00e9") + atob("aOk="), "aOk=h\u00e9"],
  [() => structuredClone({ a: [1, new Date(0)], m: new Map([[1, 2]]) }).m.get(1), 2],
  [
    async () => {
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("abc"));
      return [...new Uint8Array(digest)].slice(0, 4).map((byte) => byte.toString(16)).join("");
    },
    "ba7816bf",
  ],
  [() => typeof console.log, "function"],
  [() => [3, 1, 2].toSorted().join(), "1,2,3"],
  [() => new Intl.NumberFormat("en").format(1234.5), "1,234.5"],
  [() => /(?<year>\d{4})/u.exec("in 2026")?.groups?.year, "2026"],
  [() => (2n ** 64n).toString(), "18446744073709551616"],
  [() => Object.groupBy([1, 2, 3], (n) => (n % 2 ? "odd" : "even")).odd?.join(), "1,3"],
];

// Ways to make code out of text, or to reach another realm: each must throw.
const escapes: ((context: any) => unknown)[] = [
  () => eval("1"),
  () => (0, eval)("1"),
  () => new Function("return 1")(),
  () => Function("return 1")(),
  () => (() => {}).constructor("return 1")(),
  () => (async () => {}).constructor("return 1")(),
  () => (function* () {}).constructor("yield 1")(),
  () => (async function* () {}).constructor("yield 1")(),
  () => ([] as any).constructor.constructor("return this")(),
  ({ object }) => object.constructor.constructor("return this")(),
  ({ deny }) => deny.constructor("return this")(),
  () => console.log.constructor("return this")(),
];

// Changes that the next policy would see: each must throw, and `seen` must not find it later.
const changes: [(context: any) => unknown, (context: any) => any][] = [
  [() => ((Object.prototype as any).x = 1), () => ({})],
  [() => ((Array.prototype as any).x = 1), () => []],
  [() => ((Function.prototype as any).x = 1), () => () => {}],
  [() => ((Promise.prototype as any).x = 1), () => Promise.resolve()],
  [() => (Object.getPrototypeOf(function* () {}).x = 1), () => function* () {}],
  [() => (Object.getPrototypeOf(new Uint8Array()).x = 1), () => new Uint8Array()],
  [() => Object.setPrototypeOf(Object.prototype, { x: 1 }), () => ({})],
  [() => Object.defineProperty(Math, "x", { value: 1 }), () => Math],
  [() => ((JSON as any).x = 1), () => JSON],
  [() => ((console as any).x = 1), () => console],
  [() => ((URL.prototype as any).x = 1), () => new URL("a:b")],
  [() => ((crypto.subtle as any).x = 1), () => crypto.subtle],
  [() => ((Error as any).x = 1), () => Error],
  [() => ((Symbol as any).x = 1), () => Symbol],
  ...["deny", "warn", "audit", "get", "list", "log", "create", "update", "patch", "remove", "fetch", "env", "readFile"]
    .map((name): [(context: any) => unknown, (context: any) => any] => [
      (context) => (context[name].x = 1),
      (context) => context[name],
    ]),
  [({ tenant }) => (tenant.x = 1), ({ tenant }) => tenant],
  [({ parameters }) => (parameters.x = 1), ({ parameters }) => parameters],
];

const survived = (tries: ((context: any) => unknown)[], context: any) =>
  tries.filter((attempt) => {
    try {
      attempt(context);
      return true;
    } catch {
      return false;
    }
  });

// Each gives the source of what is not as it must be.
const checks: Record<string, (context: any) => Promise<string[]> | string[]> = {
  absent: () => Object.keys(absent).filter((name) => absent[name]() !== "undefined"),
  present: async () => {
    const given = await Promise.all(present.map(([make]) => make()));
    return given.flatMap((value, at) => (value === present[at][1] ? [] : [`${present[at][0]} gave ${value}`]));
  },
  escapes: (context) => survived(escapes, context).map(String),
  changes: (context) => survived(changes.map(([change]) => change), context).map(String),
  seen: (context) => changes.filter(([, look]) => look(context).x !== undefined).map(([change]) => String(change)),
  counts: () => [Object.keys(absent), present, escapes, changes].map((list) => String(list.length)),
};

export default policy({
  name: "realm.policies.example",
  match: { resources: ["configmaps"] },
  async validate(context) {
    const { object, deny } = context as any;
    deny(JSON.stringify(await checks[object.data.check](context)));
  },
});
