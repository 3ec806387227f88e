//! Closed scripts: whatever they do, the shared realm and a realm of their own say the same.

use serde_json::{Value, json};

use super::super::Limits;
use super::super::testing::{Rig, creation, input_of, inventory, messages, raw_script, script};
use crate::decision::{Cause, Effect, Verdict};
use crate::host::Objects;
use crate::policy::Permissions;

/// A script both ways: in the shared realm, where it may turn out to need one of its own, and in a fresh one.
pub(super) struct Pair {
    shared: Rig,
    fresh: Rig,
    /// Runs that came to their end in the shared realm.
    pub(super) ended: usize,
}

impl Pair {
    pub(super) fn new() -> Self {
        let rig = || Rig::with(Limits::default(), inventory());
        Self { shared: rig(), fresh: rig(), ended: 0 }
    }

    /// The verdict, which must be the same both ways. `None` for a script that is not proved closed.
    pub(super) fn run(&mut self, source: &str, object: &Value, is_bundle: bool) -> Option<Verdict> {
        let draft = if is_bundle { raw_script(source) } else { script(source) };
        let revision = draft.with(|spec| spec.permissions = Permissions::ambient()).made();
        revision.code.proof()?;
        let input = input_of(creation(object).to_string());
        let expected = self.fresh.cell.run_script(&input, &revision).verdict;
        if self.fresh.cell.condemned() {
            self.fresh.renew();
        }
        // Twice: what the first run leaves must not be found by the second.
        for _ in 0..2 {
            let mut evaluated = self.shared.cell.validate(&input, std::slice::from_ref(&revision)).remove(0);
            if self.shared.cell.condemned() {
                self.shared.renew();
            }
            if evaluated.is_open {
                evaluated = self.shared.cell.run_script(&input, &revision);
            } else {
                self.ended += 1;
            }
            assert_eq!(evaluated.verdict, expected, "{source}");
        }
        Some(expected)
    }
}

pub(super) fn config_map(run: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chooser", "namespace": "team-a", "labels": {"app": "x"}},
        "data": {"run": run, "a": "1", "extra": "e", "__proto__": {"admin": true}, "constructor": "c"},
        "list": [1, 2, 3], "items": [{"name": "one", "value": "1"}, {"name": "two", "value": "2"}], "small": 1,
        "numbers": 9_007_199_254_740_993_u64, "spec": {"containers": [{"name": "c", "image": "nginx:1"}, {"name": "d"}]},
    })
}

#[test]
fn the_odd_corners_say_the_same_both_ways() {
    let mut pair = Pair::new();
    for source in [
        "deny(typeof URL + typeof structuredClone + typeof TextEncoder + typeof __bylaw_sdk + typeof Temporal2);",
        "allowed = ['x']; const is = (x) => allowed.some((y) => x.startsWith(y)); allowed.push('y'); deny(String(is('xy')) + allowed);",
        "for (i = 0; i < 3; i++) warn(String(i)); deny(typeof i);",
        "deny(Object.keys(globalThis).join());",
        "const names = []; for (const name in globalThis) names.push(name); deny(names.join());",
        "deny(String('request' in globalThis) + (globalThis.request === request) + typeof globalThis.x);",
        "deny(Object.getPrototypeOf(request) === Object.prototype ? 'same realm' : 'another');",
        "deny(String(this === exports) + Object.keys(this));",
        "request.object.data.toString = 'x'; mutate(request.object);",
        "const o = {}; o.toString = () => 'own'; o.constructor = 1; o.hasOwnProperty = 2; deny(o + Object.keys(o).join());",
        "const a = []; a.push = 1; a.map = 2; deny(JSON.stringify(Object.keys(a)));",
        "const a = []; a.find = 1; deny(JSON.stringify(Object.keys(a)));",
        "const e = new Error('m'); e.name = 'N'; e.message = 'o'; deny(String(e) + Object.keys(e));",
        "const key = 'const' + 'ructor'; request.object.data[key] = 1; mutate(request.object);",
        "({})[['const', 'ructor'].join('')].x = 1; deny(String({}.constructor.x));",
        "const p = request['__pro' + 'to__']; p.admin = true; deny(String({}.admin));",
        "'x'.y = 1; deny('primitives swallow writes in sloppy code');",
        "(() => { 'use strict'; 'x'.y = 1; })(); deny('not reached');",
        "const o = Object.freeze({ a: 1 }); o.a = 2; deny(String(o.a));",
        "const o = { get a() { return 1; } }; o.a = 2; deny(String(o.a));",
        "(function f() { f = 1; deny(typeof f); })();",
        "function f() { return this.request; } deny(typeof f());",
        "function F() { this.x = 1; } F(); deny(typeof x);",
        "const l = [3, 1, 2]; deny(l.toSorted().join() + l.at(-1) + l.with(0, 9));",
        "class L extends Array { get first() { return this[0]; } } const l = L.from([1, 2]); deny(String(l.first) + l.map((x) => x).constructor.name);",
        "class E extends Error { constructor(m) { super(m); this.name = 'E'; } } try { throw new E('x') } catch (e) { deny(`${e.name} ${e.message} ${e instanceof E}`) }",
        "class E extends Error {} throw new E('uncaught');",
        "null.x",
        "undeclared.push(1)",
        "let x = y; let y = 1;",
        "throw { reason: 'R', toString() { return 'text'; } }",
        "throw 'text'",
        "JSON.parse('{')",
        "f(); function f() { throw new TypeError('deep') }",
        "(function f() { f(); })()",
        "try { (function f() { f(); })() } catch (e) { deny(e.name + e.message) }",
        "try { [].reduce((a) => a) } catch (e) { deny(e.name + e.message) }",
        "try { request.object.no.such } catch (e) { deny(e.message) } finally { warn('finally') }",
        "try { deny('first') } finally { deny('second') }",
        "try { null.x } catch { try { deny('in catch') } finally { for (;;) { break } deny('finally') } }",
        "const it = { [Symbol.iterator]() { return { next() { return { value: 1 }; }, return() { deny('returned'); } }; } }; for (const x of it) deny('in the loop');",
        "[3, 1, 2].sort(() => deny('in sort'));",
        "'abc'.replace(/b/, () => deny('in replace'));",
        "JSON.stringify({ toJSON() { deny('in toJSON'); } });",
        "mutate({ toJSON() { exit(); } });",
        "__response.message = { toJSON() { deny('x'); } };",
        "Object.defineProperty(__response, 'deny', { get() { exit(); }, enumerable: true });",
        "__response.warnings = ['own']; warn('added'); deny('denied');",
        "__response.deny = 'yes';",
        "warn('w1'); warn(undefined); deny('m', 'R', 418);",
        "warn({}); allow();",
        "deny(42);",
        "deny('a\\uD800b');",
        "deny('x'.repeat(20 << 20));",
        "mutate([]);",
        "mutate({ a: undefined });",
        "request.object.list = request.object.list.filter((x) => x > 1); delete request.object.data.a; mutate(request.object);",
        "request.object.copy = request.object.numbers; mutate(request.object);",
        "exports.a = 1; deny(JSON.stringify(exports));",
        "deny(__policy + Object.keys(request));",
        "deny(JSON.stringify(get('ConfigMap', 'v1', 'shop/known')) + list('ConfigMap', 'v1').length);",
        "get('ConfigMap', 'v1', 1)",
        "deny(String(get('ConfigMap', 'v1', 'shop/none')));",
        "globalThis['sle' + 'ep'](1); deny('slept');",
        "deny(String(globalThis['fetch' + 'Sync']));",
        "const p = globalThis['Pro' + 'mise']; p.resolve().then(() => deny('later'));",
        "const p = globalThis['Pro' + 'mise']; p.resolve().then(() => warn('never')); allow();",
        "const p = globalThis['Pro' + 'mise']; p.reject(new Error('lost'));",
        "const n = []; for (let i = 0; i < 300; i++) print(i); deny('printed');",
        "new Function('return 1')()",
        "try { new Function('return 1')() } catch (e) { deny(e.name + e.message) }",
        "deny(new Date(0).toISOString() + new Intl.NumberFormat('en-US').format(1234.5) + 'İ'.toLowerCase());",
        "function f(a, b) { return [arguments.length, arguments[0], ...arguments].join(); } deny(f(1, 2));",
        "function tag(s, ...v) { return s.raw.join('|') + v.join(); } deny(tag`a${1}b${2}`);",
        "const s = new WeakMap(); const k = {}; s.set(k, 1); deny(String(s.get(k)));",
        "const g = (function () { if (typeof globalThis === 'object') return globalThis; try { return this || new Function('return this')(); } catch (e) { if (typeof window === 'object') return window; } })(); deny(g.request.name + typeof g.deny);",
        "let n = 0; const counter = { get next() { return (n += 1); } }; counter.next; deny(String(counter.next));",
        "var hoisted = typeof f + typeof v; function f() {} var v = 1; deny(hoisted);",
        "switch (request.operation) { case 'CREATE': deny('created'); default: deny('other'); }",
        "a: { b: { if (request) break a; } deny('not reached'); } warn('after');",
        "const { object: { metadata: { name, ...rest } }, ...others } = request; deny(name + Object.keys(rest) + Object.keys(others));",
        "deny([...new Set([1, 1, 2])].map((x) => x ** 2n ** 0n).join());",
        "deny(`${[1, [2, [3]]].flat(Infinity)} ${Object.entries({ a: 1 })} ${structure?.()}`); var structure;",
    ] {
        pair.run(source, &config_map("x"), false);
    }
    for source in [
        "var a = 1; let b = 2; const c = 3; function d() { return a + b + c; } deny(String(d()));",
        "let deny2 = deny; deny2('x');",
        "(() => { deny(typeof exports + typeof module); })();",
        "class A {} deny(new A().constructor.name);",
        include_str!("../../../tests/jspolicy/bundles/precompiled.js"),
    ] {
        let verdict = pair.run(source, &config_map("x"), true);
        assert!(verdict.is_some(), "{source}");
    }
    assert!(pair.ended > 60, "{}", pair.ended);
}

/// Scripts put together at random out of pieces that are likely to differ.
#[test]
fn scripts_made_at_random_say_the_same_both_ways() {
    const VALUES: [&str; 24] = [
        "request.object",
        "request.object.data",
        "request.object.metadata",
        "o",
        "a",
        "s",
        "n",
        "f",
        "o.x",
        "a[0]",
        "a[n]",
        "request.object.data[s]",
        "request.object.list",
        "'toString'",
        "'constructor'",
        "'__proto__'",
        "(1)",
        "null",
        "undefined",
        "({})",
        "[]",
        "f(o)",
        "Object.keys(o)",
        "o[s]",
    ];
    const STATEMENTS: [&str; 30] = [
        "o.x = $;",
        "o[$] = $;",
        "a.push($);",
        "a[$] = $;",
        "s = String($);",
        "n = Number($) | 0;",
        "delete o[$];",
        "$.x = $;",
        "$[$] = $;",
        "$.toString = () => 'own';",
        "warn(String($));",
        "if ($) { o.y = $; }",
        "for (const k in $) { o[k] = $; if (++n > 9) break; }",
        "for (const v of [$]) a.push(v);",
        "try { $.x.y = $; } catch (e) { warn(e.name); }",
        "try { f($) } catch (e) { warn(e.message); }",
        "try { JSON.parse($) } catch { warn('not JSON'); }",
        "if ($ === $) deny(String(n));",
        "Object.assign(o, $);",
        "o = { ...o, z: $ };",
        "const [c] = a; o.c = c;",
        "[n, s] = [n + 1, s + '.'];",
        "f = function (x) { return this === x; };",
        "f = function (x) { this.y = x; return x; };",
        "f.call($, $);",
        "new f($);",
        "o.m = f; o.m($);",
        "typeof $ === typeof $ ? warn('same') : warn('other');",
        "mutate($);",
        "throw $;",
    ];
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    let mut pair = Pair::new();
    let mut proved = 0;
    for round in 0..600 {
        let mut source = String::from("let o = {}, a = [], s = 'a', n = 0; var f = function (x) { return x; };\n");
        for _ in 0..=next(5) {
            let mut parts = STATEMENTS[next(STATEMENTS.len())].split('$');
            source.push_str(parts.next().unwrap());
            for part in parts {
                source.push_str(VALUES[next(VALUES.len())]);
                source.push_str(part);
            }
            source.push('\n');
        }
        source.push_str("deny(JSON.stringify([o, a, s, n, request.object.data]));");
        if crate::bundle::inline_script("p.yaml", &source).is_err() {
            continue;
        }
        let is_proved = pair.run(&source, &config_map(&round.to_string()), false).is_some();
        proved += usize::from(is_proved);
    }
    assert!(proved > 200 && pair.ended > proved, "{proved} proved, {} ended", pair.ended);
}

#[test]
fn a_script_that_uses_too_much_is_run_apart_from_then_on() {
    let limits = Limits { cpu: std::time::Duration::from_millis(30), ..Limits::default() };
    let mut rig = Rig::with(limits, Objects::Nowhere);
    let revision = script("let n = 0; while (n < 5e8) n += 1; deny('late');").made();
    assert!(revision.code.proof().is_some());
    let input = super::super::testing::input();
    let evaluated = rig.cell.validate(&input, std::slice::from_ref(&revision)).remove(0);
    assert!(evaluated.is_open && rig.cell.condemned());
    assert_eq!(revision.code.proof(), None);
    rig.renew();
    assert_eq!(messages(&rig.cell.run_script(&input, &revision).verdict), ["late"]);
}

#[test]
fn modules_and_closed_scripts_share_a_batch_and_keep_their_order() {
    let mut rig = Rig::new();
    let module = super::super::testing::validate;
    let verdicts = rig.batch([
        script("deny('a ' + request.name)"),
        module("c.deny('b ' + c.request.name)"),
        script("request.name = 'changed'; deny('c ' + request.name)"),
        module("c.deny('d ' + c.request.name)"),
        script("deny('e ' + request.name)"),
    ]);
    let said: Vec<String> = verdicts.iter().flat_map(messages).collect();
    assert_eq!(said, ["a web", "b web", "c changed", "d web", "e web"]);
    assert_eq!(verdicts.iter().map(|verdict| &*verdict.policy).collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_prelude_of_the_operator_keeps_every_script_apart() {
    let limits = Limits { shared_prelude: Some("var x = 1;".to_owned()), ..Limits::default() };
    let mut rig = Rig::with(limits, Objects::Nowhere);
    let revision = script("deny(String(x))").made();
    let input = super::super::testing::input();
    assert!(rig.cell.validate(&input, std::slice::from_ref(&revision)).remove(0).is_open);
    assert_eq!(messages(&rig.cell.run_script(&input, &revision).verdict), ["1"]);
}

#[test]
fn a_request_too_large_for_any_isolate_is_refused_and_costs_none() {
    let limits = Limits { heap: 16 << 20, ..Limits::default() };
    let mut rig = Rig::with(limits, Objects::Nowhere);
    let list: Vec<Value> = (0..200_000).map(|at| json!({"n": at})).collect();
    let input = input_of(creation(&json!({"kind": "Pod", "list": list})).to_string());
    let revision = script("deny('x')").made();
    let evaluated = rig.cell.validate(&input, &[revision]).remove(0);
    assert!(!evaluated.is_open && !rig.cell.condemned());
    assert!(matches!(&evaluated.verdict.effect, Effect::Error(error) if error.cause == Cause::Memory), "{evaluated:?}");
}
