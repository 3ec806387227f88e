//! The locked-down realm: everything in it is frozen, nothing in it tells runs apart, and ordinary code works.

use super::super::testing::{Rig, messages, module, validate};
use crate::decision::Effect;

/// Walks everything that properties, prototypes and syntax reach, on its own account.
const WALK: &str = r#"
  const loose = [];
  const seen = new Set();
  const queue = [[globalThis, "globalThis"]];
  async function* asyncGenerator() {}
  function* generator() {}
  const add = (value, path) => { if (value !== null && (typeof value === "object" || typeof value === "function")) queue.push([Object.getPrototypeOf(value), path]); };
  for (const [made, path] of [
    [generator, "generator"], [asyncGenerator, "asyncGenerator"], [async () => {}, "async"], [Object.getPrototypeOf(generator()), "generator()"], [Object.getPrototypeOf(asyncGenerator()), "asyncGenerator()"],
    [[][Symbol.iterator](), "array iterator"], [new Map().entries(), "map iterator"], [new Set().values(), "set iterator"], [""[Symbol.iterator](), "string iterator"],
    ["".matchAll(/./g), "matchAll"], [new Uint8Array(), "typed"], [[].values().map((x) => x), "iterator helper"], [Iterator.from({ next() {} }), "wrapped iterator"],
    [new Intl.Segmenter().segment(""), "segments"], [new Intl.Segmenter().segment("")[Symbol.iterator](), "segment iterator"], [new Date(), "date"], [/x/, "regexp"],
    [Promise.resolve(), "promise"], [new Proxy({}, {}), "proxy"], [Object(1n), "bigint"], [Object(Symbol()), "symbol"], [new DataView(new ArrayBuffer(1)), "view"],
    [new Error(), "error"], [new AggregateError([]), "aggregate"], [new URL("http://a"), "url"], [new URLSearchParams(""), "params"], [new TextEncoder(), "encoder"],
    [new TextDecoder(), "decoder"], [new Intl.NumberFormat(), "number format"], [new Intl.Locale("en"), "locale"], [crypto, "crypto"], [console, "console"],
    [typeof DisposableStack === "function" ? new DisposableStack() : {}, "disposables"], [typeof AsyncDisposableStack === "function" ? new AsyncDisposableStack() : {}, "async disposables"],
    [typeof Iterator.concat === "function" ? Iterator.concat([1]) : {}, "concat"], [typeof Iterator.zip === "function" ? Iterator.zip([[1]]) : {}, "zip"],
  ]) add(made, path);
  queue.push([(function () { return arguments; })(), "arguments"]);
  // What all policies of the realm are handed.
  for (const [name, value] of Object.entries(c)) if (typeof value === "function") queue.push([value, name]);
  while (queue.length > 0) {
    const [value, path] = queue.pop();
    if (value === null || (typeof value !== "object" && typeof value !== "function") || seen.has(value)) continue;
    seen.add(value);
    if (!Object.isFrozen(value) && path !== "arguments") loose.push(path);
    queue.push([Object.getPrototypeOf(value), `${path}.__proto__`]);
    for (const key of Reflect.ownKeys(value)) {
      const found = Object.getOwnPropertyDescriptor(value, key);
      for (const part of ["value", "get", "set"]) queue.push([found[part], `${path}.${String(key)}`]);
    }
  }
"#;

#[test]
fn every_intrinsic_is_frozen() {
    let body = format!("{WALK} c.deny(`${{seen.size}}`); if (loose.length > 0) c.deny(loose.slice(0, 20).join());");
    let told = Rig::new().told(&body);
    assert!(told[0].parse::<u32>().unwrap() > 900, "the walk saw only {}", told[0]);
    assert_eq!(told[1..], [] as [&str; 0], "not frozen");
}

#[test]
fn nothing_mutable_hides_in_what_the_realm_exposes() {
    // Freezing does nothing to what these hold.
    let body = format!(
        "{WALK} for (const value of seen) {{
           const kind = Object.prototype.toString.call(value);
           if (value !== seen && ['[object Map]', '[object Set]', '[object WeakMap]', '[object WeakSet]', '[object Date]'].includes(kind)
             && !Object.hasOwn(value, 'constructor')) c.deny(kind);
           if (value instanceof RegExp && value !== RegExp.prototype) c.deny('RegExp');
           if (ArrayBuffer.isView(value)) c.deny('view');
         }}"
    );
    assert_eq!(Rig::new().run(validate(&body)).effect, Effect::Allow);
}

#[test]
fn the_statics_of_regexp_are_gone() {
    let body = "/(secret)/.exec('a secret'); const left = Reflect.ownKeys(RegExp).filter((key) => { try { return /secret/.test(String(RegExp[key])); } catch { return false; } });
         if (left.length > 0 || RegExp.$1 !== undefined || RegExp.lastMatch !== undefined || RegExp['$&'] !== undefined) c.deny(left.map(String).join());";
    assert_eq!(Rig::new().run(validate(body)).effect, Effect::Allow);
}

/// What npm packages do all day, and what a naive freeze of the prototypes forbids.
#[test]
#[allow(clippy::too_many_lines, reason = "one list of what a realm keeps")]
fn ordinary_code_works_in_a_locked_realm() {
    let mut rig = Rig::new();
    for (what, body) in [
        (
            "an error class",
            "class E extends Error { constructor(m) { super(m); this.name = 'E'; this.message = m + '!'; } } const e = new E('x'); return e.name === 'E' && e.message === 'x!' && String(e) === 'E: x!' && e instanceof E",
        ),
        (
            "an old error class",
            "function E(m) { this.message = m; this.name = 'E'; this.stack = 'none'; } E.prototype = Object.create(Error.prototype); E.prototype.constructor = E; E.prototype.toString = function () { return 'told'; }; return String(new E('x')) === 'told' && new E('x').constructor === E",
        ),
        ("an error with a cause", "const e = new Error('x', { cause: 1 }); e.cause = 2; return e.cause === 2"),
        (
            "own toString",
            "const o = {}; o.toString = () => 'x'; o.valueOf = () => 7; o.constructor = 1; o.hasOwnProperty = 2; return `${o}` === 'x' && +o === 7 && o.constructor === 1 && o.hasOwnProperty === 2",
        ),
        (
            "assigned names",
            "const o = Object.assign({}, { toString: 1, constructor: 2, hasOwnProperty: 3, valueOf: 4, toJSON: 5, name: 6 }); return Object.keys(o).length === 6 && o.toString === 1",
        ),
        (
            "a function's own toString",
            "function f() {} f.toString = () => 'x'; f.call = 1; f.apply = 2; f.bind = 3; return `${f}` === 'x' && f.bind === 3",
        ),
        (
            "a function's prototype",
            "function F() {} F.prototype.toString = () => 'x'; F.prototype.constructor = 1; return `${new F()}` === 'x'",
        ),
        (
            "an array with its own methods",
            "const a = [1]; a.concat = () => 'c'; a.push = () => 'p'; a.map = 1; a.toString = () => 's'; a.length = 0; return a.concat() === 'c' && a.push() === 'p' && `${a}` === 's'",
        ),
        (
            "an array with its own iterator",
            "const a = [1]; a[Symbol.iterator] = function* () { yield 7; }; return [...a][0] === 7",
        ),
        (
            "a subclass of Array",
            "class A extends Array { concat() { return 'c'; } get size() { return this.length; } } const a = A.from([1, 2]); return a.concat() === 'c' && a.map((x) => x) instanceof A && a.size === 2",
        ),
        (
            "a subclass of Map",
            "class M extends Map { get(k) { return super.get(k) ?? 'none'; } set(k, v) { return super.set(k, v); } } const m = new M([[1, 2]]); m.has = () => true; return m.get(1) === 2 && m.get(3) === 'none' && m.has(9)",
        ),
        (
            "a subclass of Promise",
            "class P extends Promise { then(a, b) { return super.then(a, b); } } return P.resolve(1) instanceof P && P.resolve(1).then(() => {}) instanceof P",
        ),
        ("an own then", "const p = Promise.resolve(); p.then = () => 'x'; p.catch = 1; return p.then() === 'x'"),
        (
            "a class with static name",
            "class C { static name = 'x'; static length = 3; static toString() { return 's'; } } return C.name === 'x' && `${C}` === 's'",
        ),
        (
            "a dictionary",
            "const d = Object.create(null); d.toString = 1; d.__proto__ = 2; return Object.keys(d).length === 2",
        ),
        (
            "CommonJS interop",
            "const e = {}; Object.defineProperty(e, '__esModule', { value: true }); e.default = e; e.toString = 1; return e.default === e",
        ),
        (
            "TypeScript's decorators of yore",
            "const o = { constructor: function () {} }; return typeof o.constructor === 'function'",
        ),
        ("a memo on a function", "const f = (x) => (f.cache ??= {})[x] ??= x * 2; f(2); return f.cache[2] === 4"),
        (
            "sorting and friends",
            "return [3, 1, 2].sort().toSorted().map((x) => x + 1).filter(Boolean).reduce((a, b) => a + b) === 9 && [...'ab'].join('-') === 'a-b'",
        ),
        (
            "symbols as keys",
            "const o = { [Symbol.toPrimitive]: () => 7, [Symbol.toStringTag]: 'T' }; return +o === 7 && Object.prototype.toString.call(o) === '[object T]'",
        ),
        (
            "regexps with state",
            "const r = /a/g; r.lastIndex = 1; r.exec = undefined; return 'aXa'.replaceAll(/a/g, 'b') === 'bXb'",
        ),
        (
            "dates",
            "const d = new Date(0); d.toString = () => 'x'; d.toJSON = () => 'j'; return JSON.stringify({ d }) === '{\"d\":\"j\"}' && d.toISOString().startsWith('1970')",
        ),
        ("a stack", "return typeof new Error('x').stack === 'string' && new Error('x').stack.includes('Error: x')"),
        ("template literals", "const tag = (s, ...v) => s.raw.join('|') + v.join(); return tag`a${1}b` === 'a|b1'"),
        ("generators", "return [...(function* () { yield* [1, 2]; })()].length === 2"),
        ("Intl", "return new Intl.NumberFormat('en').format(1234.5) === '1,234.5' && 'b'.localeCompare('a') > 0"),
        (
            "typed arrays",
            "const t = new Uint8Array([3, 1]); t.toString = () => 'x'; return [...t.sort()].join() === '1,3' && `${t}` === 'x'",
        ),
        (
            "lodash's check for natives",
            "return /\\[native code\\]/.test(Function.prototype.toString.call(Object.prototype.hasOwnProperty))",
        ),
        (
            "looking for globals",
            "const g = typeof globalThis === 'object' ? globalThis : typeof self === 'object' ? self : undefined; return g.Object === Object && typeof window === 'undefined' && typeof process === 'undefined'",
        ),
    ] {
        let body = format!("const good = (() => {{ {body} }})(); if (good !== true) c.deny('broken')");
        let verdict = rig.run(validate(&body));
        assert_eq!(verdict.effect, Effect::Allow, "{what}");
    }
}

#[test]
fn strict_code_may_not_change_the_prototypes_through_the_repair() {
    let mut rig = Rig::new();
    for body in [
        "Object.prototype.toString = 1",
        "Error.prototype.name = 'x'",
        "Array.prototype.push = 1",
        "Reflect.set(Object.prototype, 'toString', 1, Object.prototype) && c.deny('set')",
        "Object.getOwnPropertyDescriptor(Object.prototype, 'toString').set.call(Object.prototype, 1)",
        "Object.getOwnPropertyDescriptor(Array.prototype, 'push').set.call(Object.freeze([]), 1)",
        "const { set } = Object.getOwnPropertyDescriptor(Object.prototype, 'toString'); set.call(Map.prototype, 1)",
    ] {
        drop(rig.run(validate(body)));
        let body = "if (Object.prototype.toString.call([]) !== '[object Array]' || new Error('x').name !== 'Error' || [].push(1) !== 1 || Map.prototype.toString.call(1) !== '[object Number]') c.deny('changed')";
        assert_eq!(rig.run(validate(body)).effect, Effect::Allow);
    }
}

#[test]
fn the_sdk_works_in_a_locked_realm() {
    let body = "const { image, quantity, containers, podSecurity } = __bylaw_sdk;
      if (image('nginx').registry !== 'docker.io' || quantity('1Gi').compare(quantity('1024Mi')) !== 0) c.deny('sdk');
      for (const { container, field } of containers(c.object)) c.warn(`${container.name} ${field}`);
      c.warn(String(podSecurity('restricted', 'latest')(c.object).length > 0));";
    let verdict = Rig::new().run(validate(body));
    assert_eq!(
        (&verdict.effect, &verdict.warnings[..]),
        (&Effect::Allow, &["web spec.containers[0]".to_owned(), "true".to_owned()][..])
    );
}

#[test]
fn the_globals_of_the_web_do_what_they_should() {
    let body = "
      const url = new URL('https://u:p@Example.com:8443/a/../b?x=1&y=2#h');
      url.searchParams.append('z', 'a b');
      const checks = [url.host === 'example.com:8443', url.pathname === '/b', url.search === '?x=1&y=2&z=a+b', String(url).endsWith('#h'), URL.canParse('nope') === false,
        new TextDecoder().decode(new TextEncoder().encode('h\u{e9}\u{1F600}')) === 'h\u{e9}\u{1F600}', atob(btoa('\u{ff}')) === '\u{ff}',
        structuredClone({ a: [1, { b: new Date(0) }] }).a[1].b.getTime() === 0, new URLSearchParams({ a: '1', b: '&' }).toString() === 'a=1&b=%26'];
      if (!checks.every(Boolean)) c.deny(JSON.stringify(checks));";
    assert_eq!(Rig::new().run(validate(body)).effect, Effect::Allow);
    let draft = module(
        "async validate(c) { const d = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc')); c.deny([...new Uint8Array(d)].map((b) => b.toString(16).padStart(2, '0')).join('').slice(0, 8)); }",
    );
    assert_eq!(messages(&Rig::new().run(draft)), ["ba7816bf"]);
}
