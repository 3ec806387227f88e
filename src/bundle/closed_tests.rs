use super::super::inline_script;
use super::{Closed, closed};

/// Proved, to be run as strict code.
fn strict() -> Closed {
    Closed { strict: true, reads: false, declares: Vec::new() }
}

fn reads() -> Closed {
    Closed { reads: true, ..strict() }
}

/// Proved, to be run as it is.
fn as_it_is() -> Closed {
    Closed { strict: false, ..strict() }
}

/// What is proved of an inline source.
fn inline(source: &str) -> Result<Closed, String> {
    let script = inline_script("p.yaml", source).unwrap().script;
    closed(&script).map_err(|open| open.to_string())
}

/// What is proved of a bundle, which runs as it is.
fn bundle(script: &str) -> Result<Closed, String> {
    closed(script).map_err(|open| open.to_string())
}

#[test]
fn scripts_that_keep_to_themselves_are_closed() {
    for source in [
        "",
        "deny('no')",
        "if (request.object.spec.type === 'NodePort') deny('no', 'Reason', 422);",
        "const { containers, initContainers = [] } = request.object.spec; containers.concat(initContainers).forEach((c) => { if (!c.image) deny(c.name); });",
        "for (const c of request.object.spec.containers) if (/x/.test(c.image)) deny(c.image);",
        "request.object.metadata.labels = Object.assign({}, request.object.metadata.labels, { a: '1' }); mutate(request.object);",
        "request.object.data[request.name] = 1; delete request.object.data.b;",
        "warn('a'); print(1, { a: 2 }); console.log('x'); deny(env('A') + btoa(atob('YQ==')));",
        "__response.deny = true; __response.message = 'm';",
        "exports.a = 1;",
        "var n = 0; function add(k) { n += k; return n; } add(1);",
        "const m = new Map(); m.set('a', 1); const s = new Set([1]); deny([...m, ...s].join());",
        "class A { constructor() { this.x = 1; } get y() { return this.x; } static of() { return new this(); } } A.of().y;",
        "function Old() { this.x = 1; } Old.prototype.get = function () { return this.x; }; new Old().get();",
        "const o = { n: 1, m() { return this.n; } }; o.m();",
        "function f() { return arguments.length + arguments[0]; } f(1);",
        "function f(a) { 'use strict'; a = 2; return arguments[0]; } f(1);",
        "if (typeof structuredClone === 'undefined' && typeof globalThis === 'object') allow();",
        "deny(globalThis.request.name);",
        "label: for (let i = 0; i < 3; i++) { if (i) break label; }",
        "function* g() { yield 1; } for (const x of g()) warn(String(x));",
        "const re = new RegExp('a+', 'g'); if (re instanceof RegExp) allow();",
        "const has = (o, k) => Object.prototype.hasOwnProperty.call(o, k); has(request, 'a');",
        "const s = Symbol('x'); const o = { [s]: 1, __proto__: null }; deny(`${o[s]}`);",
        "throw new Error('x');",
        "undeclared.push(1);",
        "\"use strict\"; (function () { return this; })();",
        "var __assign = (this && this.__assign) || Object.assign; __assign({}, {});",
        "const f = function () { return (this && this.__importDefault) || 1; }; f();",
        "request.object.metadata.labels.stack === 'prod' && deny('x');",
        "return; deny('x')",
    ] {
        assert_eq!(inline(source), Ok(strict()), "{source}");
    }
}

#[test]
fn a_variable_never_declared_is_declared_where_an_assignment_comes_first() {
    for (source, names) in [
        (
            "allowed = ['a']; const is = (x) => allowed.includes(x); if (!is(request.name)) deny(allowed.join());",
            vec!["allowed"],
        ),
        ("for (i = 0; i < 2; i++) warn(String(i)); j = i; j += 1;", vec!["i", "j"]),
        ("a = b = 1;", vec![]),
    ] {
        let declares: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
        match inline(source) {
            Ok(proof) => assert_eq!(proof, Closed { declares, ..strict() }, "{source}"),
            Err(told) => assert!(declares.is_empty(), "{source}: {told}"),
        }
    }
    let proof = Closed { declares: vec!["a".into(), "b".into()], ..strict() };
    assert_eq!(proof.body("a = b"), "\"use strict\";var a,b;a = b");
    assert_eq!(as_it_is().body("a()"), "a()");
}

#[test]
fn reading_the_cluster_is_closed_but_may_wait() {
    for source in [
        "get('Namespace', 'v1', request.namespace)",
        "list('Pod', 'v1').length",
        "const f = get; f()",
        "__get('Namespace', 'v1', 'a')",
        "readFileSync('/x')",
        "globalThis.list('Pod', 'v1')",
    ] {
        assert_eq!(inline(source), Ok(reads()), "{source}");
    }
    // A `get` of its own, or of a map, reads nothing.
    assert_eq!(inline("const get = () => 1; get(); new Map().get(1);"), Ok(strict()));
}

#[test]
fn a_try_is_closed_where_nothing_can_be_refused_in_it() {
    for source in [
        "try { deny('x') } catch { allow() } finally { warn('y') }",
        "let c; try { c = JSON.parse(request.object.data.c) } catch (e) { deny('not JSON: ' + e.message) }",
        "try { new RegExp(request.name) } catch { deny('no pattern') }",
        "const o = request.object; o.a = 1; try { atob(o.b) } catch {}",
    ] {
        assert_eq!(inline(source), Ok(strict()), "{source}");
    }
}

#[test]
fn a_try_around_more_is_closed_where_every_write_is_to_the_scripts_own() {
    for source in [
        "const check = () => 1; try { check() } catch { deny('x') }",
        "const out = {}; try { f() } catch (e) { out.a = e.message } function f() { out[request.name] = 1 }",
        "const pod = request.object; try { f() } catch {} function f() { pod.metadata.labels.a = 'b' }",
        "const { metadata } = request.object; try { f() } catch {} function f() { metadata.a = 'b' }",
        "try { for (const c of request.object.spec.containers) { c.x = 1; warn(c) } } catch {}",
        "let cache; try { f() } catch {} function f() { cache = request.a || {}; } cache = {}; cache.x = 1;",
    ] {
        assert_eq!(inline(source), Ok(as_it_is()), "{source}");
    }
}

#[test]
fn what_needs_a_realm_of_its_own_is_told_with_line_and_reason() {
    for (source, why) in [
        ("\nif (request) allowed = ['a'];", "line 3: it writes the global `allowed`"),
        ("f(); allowed = []; function f() { return typeof allowed; }", "writes the global `allowed`"),
        ("allowed = [typeof allowed];", "writes the global `allowed`"),
        ("if (typeof allowed === 'undefined') deny('x'); allowed = 1;", "writes the global `allowed`"),
        ("a = 1; deny(Object.keys(globalThis).join());", "the global object would have `a`"),
        ("'use strict'; a = 1;", "writes the global `a`"),
        ("Name = 1;", "writes the global `Name`"),
        ("() => { a = 1; };", "writes the global `a`"),
        ("deny = allow;", "writes the global `deny`"),
        ("(() => { for (i = 0; i < 2; i++) {} })();", "writes the global `i`"),
        ("for (k in request) {}", "writes the global `k`"),
        ("[a, b] = [1, 2];", "writes the global `a`"),
        ("({ a } = request);", "writes the global `a`"),
        ("request = {};", "writes the global `request`"),
        ("__response = {};", "writes the global `__response`"),
        ("counter++;", "writes the global `counter`"),
        ("globalThis.x = 1;", "it changes `globalThis`, or what belongs to it"),
        ("globalThis.x ??= 1;", "it changes `globalThis`"),
        ("delete globalThis.deny;", "it changes `globalThis`"),
        ("Array.prototype.last = function () {};", "it changes `Array`"),
        ("Object.prototype['x'] = 1;", "it changes `Object`"),
        ("JSON.stringify = () => '';", "it changes `JSON`"),
        ("console.log = print;", "it changes `console`"),
        ("[Math.x] = [1];", "it changes `Math`"),
        ("({ a: Math.x } = { a: 1 });", "it changes `Math`"),
        ("for (Math.x of [1]) {}", "it changes `Math`"),
        ("Object.defineProperty(Array.prototype, 'x', { value: 1 });", "it changes `Array`"),
        ("Object.assign(globalThis, { x: 1 });", "it changes `globalThis`"),
        ("Object.freeze(Object.prototype);", "it changes `Object`"),
        ("Reflect.set([].constructor, 'x', 1);", "`Reflect` changes objects without an error"),
        ("const r = Reflect;", "`Reflect` changes objects without an error"),
        ("deny(RegExp.$1);", "`RegExp` is used as a value"),
        ("const R = RegExp;", "`RegExp` is used as a value"),
        ("eval('1');", "`eval` sees what is around it"),
        ("(async () => { deny('x') })();", "promises outlive the function"),
        ("async function f() {}", "promises outlive the function"),
        ("Promise.resolve().then(() => deny('x'));", "promises outlive the function"),
        ("import('x');", "promises outlive the function"),
        ("class A { async m() {} }", "promises outlive the function"),
        ("sleep(10);", "`sleep` waits, or changes something outside"),
        ("fetchSync('https://example.com');", "`fetchSync` waits"),
        ("create({});", "`create` waits"),
        ("const { ok } = update(request.object);", "`update` waits"),
        ("globalThis.remove({});", "`remove` waits"),
        ("__fetchSync('x')", "`__fetchSync` waits"),
        ("try { new Function('return 1')() } catch {}", "`Function` could be caught refusing"),
        ("try { f.constructor('return 1')() } catch {} function f() {}", "`constructor` may be that of functions"),
        ("Symbol.for('x');", "registered symbols outlive the run"),
        ("escape('a');", "there is no `escape` in the shared realm"),
        ("typeof Temporal;", "there is no `Temporal` in the shared realm"),
        ("(function () { return this === globalThis; })();", "`this` may be the global object"),
        ("const f = function () { this || 1 }; f();", "`this` may be the global object"),
        ("function f(a) { a = 2; return arguments[0]; }", "`arguments` may change the parameters"),
        ("function f(a) { arguments[0] = 2; return a; }", "`arguments` may change the parameters"),
        ("function f(a) { g(arguments); return a; } function g(x) { x[0] = 1; }", "`arguments` may change"),
        ("if (request) { function f() {} } f();", "a function in a block is seen outside of it"),
        ("deny(010);", "it is no strict code"),
        ("with (request) { deny(name) }", "it is no strict code"),
        ("var a; delete a;", "it is no strict code"),
        ("function f(a, a) {}", "it is no strict code"),
        ("var let = 1;", "it is no strict code"),
        ("Object.getOwnPropertyDescriptor(Object.prototype, 'toString');", "tells one realm from another"),
        ("Object.isFrozen([].__proto__);", "`isFrozen` tells one realm from another"),
        ("Object['getOwnPropertyNames'](f); function f() {}", "`getOwnPropertyNames` tells one realm"),
        ("const { isFrozen } = Object;", "`isFrozen` tells"),
        ("deny(new Error('x').stack);", "`stack` tells one realm from another"),
        ("Error.captureStackTrace({});", "`captureStackTrace` tells"),
        (
            "try { f(request.object) } catch {} function f(o) { o.x = 1 }",
            "it writes to an object that may belong to the realm, and the `try` of line 2 could see it refused",
        ),
        (
            "try { [].x.y.z } catch {} const k = request.name; request[k].y = 1; function g() {} try { g() } catch {}",
            "may belong to the realm",
        ),
        ("const g = globalThis; g.Reflect.set({}, 'x', 1);", "may be a property of the global object"),
        ("const g = globalThis; g['sleep'](1);", "may be a property of the global object"),
        ("if (a <!--b\n) {}", "comments of another language"),
    ] {
        let told = inline(source).expect_err(source);
        assert!(told.contains(why), "{source}: {told}");
    }
}

#[test]
fn a_bundle_is_a_script_whose_declarations_are_global() {
    assert_eq!(bundle("(() => { 'use strict'; deny('x'); })();"), Ok(strict()));
    assert_eq!(bundle("var a = 1; function f() {} let b = 2; f(a, b);"), Ok(strict()));
    assert_eq!(bundle("var target = exports; for (var i in { a: 1 }) target[i] = 1;"), Ok(strict()));
    for (script, why) in [
        ("deny(this.request.name);", "`this` is the global object"),
        ("var deny = allow;", "it declares the global `deny` anew"),
        ("function warn() {}", "it declares the global `warn` anew"),
        ("var a = 1; deny(globalThis.a);", "the global object would have `a`"),
        ("deny(arguments.length);", "no `arguments` at the top"),
        ("#!/usr/bin/env node\ndeny('x')", "comments of another language"),
    ] {
        let told = bundle(script).expect_err(script);
        assert!(told.contains(why), "{script}: {told}");
    }
}

#[test]
fn what_webpack_makes_is_closed() {
    let sample = include_str!("../../tests/jspolicy/bundles/precompiled.js");
    assert_eq!(bundle(sample), Ok(strict()));
    // Minified in production mode, with the runtime's helpers for exports.
    let minified = r#"(()=>{var e={607:(e,t,r)=>{"use strict";r.r(t),r.d(t,{default:()=>o});const o=e=>e.filter((e=>!e.ok))}},t={};function r(n){var o=t[n];if(void 0!==o)return o.exports;var i=t[n]={exports:{}};return e[n].call(i.exports,i,i.exports,r),i.exports}r.n=e=>{var t=e&&e.__esModule?()=>e.default:()=>e;return r.d(t,{a:t}),t},r.d=(e,t)=>{for(var n in t)r.o(t,n)&&!r.o(e,n)&&Object.defineProperty(e,n,{enumerable:!0,get:t[n]})},r.o=(e,t)=>Object.prototype.hasOwnProperty.call(e,t),r.r=e=>{"undefined"!=typeof Symbol&&Symbol.toStringTag&&Object.defineProperty(e,Symbol.toStringTag,{value:"Module"}),Object.defineProperty(e,"__esModule",{value:!0})};var n={};(()=>{"use strict";r.r(n);var e=r(607);(0,e.default)(request.object.spec.containers).length&&deny("no")})();var o=exports;for(var i in n)o[i]=n[i];n.__esModule&&Object.defineProperty(o,"__esModule",{value:!0})})();"#;
    assert_eq!(bundle(minified), Ok(strict()));
}

#[test]
fn a_script_that_cannot_be_parsed_is_not_closed() {
    assert!(bundle("deny(").unwrap_err().contains("no strict code"));
    assert!(bundle(&"(".repeat(100_000)).unwrap_err().contains("nested too deeply"));
}
