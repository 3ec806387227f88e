//! Module policies that attack their realm, their neighbours or the engine's own reading of them.

use serde_json::json;

use super::super::testing::{Rig, creation, error, input_of, messages, module, pod, validate};
use crate::decision::{Cause, Effect};

#[test]
fn the_request_is_frozen_to_the_bottom() {
    let body = "
      const seen = [];
      const walk = (at, path) => { if (typeof at !== 'object' || at === null) return; if (!Object.isFrozen(at)) seen.push(path); for (const key of Object.keys(at)) walk(at[key], `${path}.${key}`); };
      for (const name of ['object', 'oldObject', 'request', 'user', 'namespace', 'parameters', 'tenant']) walk(c[name], name);
      if (seen.length > 0) c.deny(seen.join());";
    assert_eq!(Rig::new().run(validate(body)).effect, Effect::Allow);
}

#[test]
fn writing_to_what_is_frozen_is_an_error_and_changes_nothing() {
    let mut rig = Rig::new();
    for body in [
        "c.object.metadata.labels.app = 'x'",
        "c.object.spec.containers.push({})",
        "delete c.object.spec",
        "c.user.username = 'root'",
        "Object.defineProperty(c.request, 'uid', { value: 'x' })",
        "Object.setPrototypeOf(c.object, { x: 1 })",
        "c.parameters.x = 1",
        "c.namespace.labels.team = 'x'",
        "c.tenant.trusted = true",
        "globalThis.leak = 1",
        "Object.prototype.leak = 1",
        "Array.prototype.push = 1",
        "JSON.stringify = () => '[]'",
        "Error.prepareStackTrace = () => 'x'",
        "Error.stackTraceLimit = 0",
        "RegExp.prototype.exec = 1",
        "Promise.prototype.then = 1",
        "Reflect.setPrototypeOf(Array.prototype, null); Array.prototype.__proto__ = {}",
        "console.log = 1",
        "URL.prototype.toString = 1",
        "__bylaw_sdk.policy = 1",
        "undefined = 1",
    ] {
        let verdicts = rig.batch([
            validate(body),
            validate("c.deny(JSON.stringify([c.object, c.user, c.tenant.trusted, c.namespace]))"),
        ]);
        assert_eq!(error(&verdicts[0]).0, Cause::Exception, "{body}");
        let told =
            json!([pod(), {"username": "jane", "groups": ["staff"]}, false, {"name": "shop", "labels": {"team": "a"}}]);
        let seen: serde_json::Value = serde_json::from_str(&messages(&verdicts[1])[0]).unwrap();
        assert_eq!(seen, told, "{body}");
    }
}

#[test]
fn text_never_becomes_code() {
    let mut rig = Rig::new();
    for body in [
        "(0, eval)('1')",
        "new Function('return 1')",
        "Function('return 1')",
        "(async () => {}).constructor('return 1')",
        "(function* () {}).constructor('yield 1')",
        "(async function* () {}).constructor('yield 1')",
        "Reflect.construct(Function, ['return 1'])",
        "c.deny.constructor('return 1')",
        "Object.getOwnPropertyDescriptor(Object.prototype, '__proto__').get.constructor('return 1')",
    ] {
        let verdict = rig.run(validate(body));
        assert!(error(&verdict).1.contains("Code generation from strings disallowed"), "{body}: {verdict:?}");
    }
    let verdict = rig.run(module("async validate() { await import('data:text/javascript,1'); }"));
    assert_eq!(error(&verdict).0, Cause::Exception);
}

#[test]
fn the_functions_of_the_host_are_out_of_reach() {
    let body = "
      const found = [];
      for (const f of [c.deny, c.get, c.log, c.create, console.log, atob, TextEncoder]) {
        for (const key of ['caller', 'arguments', 'callee']) { try { if (f[key] !== null && f[key] !== undefined) found.push(key); } catch { } }
      }
      for (const name of ['Deno', 'native', 'call', 'process', 'require', 'setTimeout', 'queueMicrotask', 'fetch']) if (name in globalThis) found.push(name);
      if (found.length > 0) c.deny(found.join());";
    assert_eq!(Rig::new().run(validate(body)).effect, Effect::Allow);
}

#[test]
fn keys_that_name_prototypes_are_plain_keys() {
    let request = r#"{"uid":"1","operation":"CREATE","object":{"data":{"__proto__":{"polluted":true},"constructor":{"prototype":{}},"a":1,"a":2,"toString":"x"}}}"#;
    let body = "
      const { data } = c.object;
      c.deny(JSON.stringify([Object.keys(data), data.polluted === undefined, Object.getPrototypeOf(data) === Object.prototype, data.a, Object.isFrozen(data['__proto__'] ), structuredClone(data).polluted === undefined]))";
    let verdict = Rig::new().run_on(&input_of(request), validate(body));
    assert_eq!(messages(&verdict), [r#"[["__proto__","constructor","a","toString"],true,true,2,true,true]"#]);
}

#[test]
fn data_of_any_shape_is_read() {
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    let mut rig = Rig::new();
    for value in [
        deep.as_str(),
        r#""\ud800\udc00 \ud800 \u0000 \u2028""#,
        "1e400",
        "-0",
        "9007199254740993",
        "123456789012345678901234567890",
        r#"{"":{"":{}}}"#,
        &format!("\"{}\"", "é".repeat(1 << 20)),
        &format!("\"{}\"", "x".repeat(3 << 20)),
        &format!("[{}0]", "0,".repeat(100_000)),
    ] {
        let object = creation(&pod()).to_string().replace(r#""nginx:1.29""#, value);
        let verdict = rig.run_on(&input_of(object), validate("c.deny(typeof c.object.spec.containers[0].image)"));
        assert_eq!(messages(&verdict).len(), 1, "{}", &value[..20.min(value.len())]);
    }
}

#[test]
fn what_is_thrown_is_told_whatever_it_does() {
    let mut rig = Rig::new();
    for (body, told) in [
        ("throw { get message() { throw new Error('again'); } }", "again"),
        ("throw { get name() { throw 1; }, message: 'x' }", "1"),
        ("throw new Proxy({}, { get() { throw new Error('trap'); } })", "trap"),
        (
            "throw new Proxy(new Error('x'), { get(t, k) { return k === 'message' ? 'proxied' : undefined; } })",
            "proxied",
        ),
        ("throw { toJSON() { throw new Error('json'); } }", "json"),
        ("throw { a: 1n }", "Do not know how to serialize a BigInt"),
        ("const e = {}; e.e = e; throw e", "Converting circular structure"),
        ("throw () => 1", "() => 1"),
        ("throw Object.assign(new Error('x'), { name: {} })", "x"),
        ("throw Object.create(null)", "an object was thrown: {}"),
        ("(function f() { f(); })()", "RangeError: Maximum call stack size exceeded"),
        ("throw { get message() { return (function f() { f(); })(); } }", "Maximum call stack"),
    ] {
        let verdicts = rig.batch([validate(body), validate("c.deny('next')")]);
        let (cause, message) = error(&verdicts[0]);
        assert_eq!(cause, Cause::Exception, "{body}");
        assert!(message.starts_with(told), "{body}: {message}");
        assert_eq!(messages(&verdicts[1]), ["next"]);
    }
}

#[test]
fn a_verdict_cannot_be_forged_by_what_is_returned_or_recorded() {
    let mut rig = Rig::new();
    for draft in [
        validate("return Promise.resolve([[], [], []])"),
        validate("return '[[],[],[]]'"),
        validate("c.deny({ toString() { return 'x'; } })"),
        module("async validate() { return { deny: [] }; }"),
    ] {
        assert!(matches!(rig.run(draft).effect, Effect::Error(_)));
    }
    let draft = validate(
        "c.deny('no'); c.deny = () => {}; c.object = undefined; for (const key of Object.keys(c)) delete c[key];",
    );
    assert_eq!(messages(&rig.run(draft)), ["no"]);
}

#[test]
fn functions_that_outlive_their_run_are_of_no_use() {
    let mut rig = Rig::new();
    let hoard = super::super::testing::bundle(
        "let kept; ({ default: { validate({ deny, get, object }) { if (kept) { kept.deny('from the last run'); } kept = { deny, get, object }; } } })",
    )
    .made();
    let input = super::super::testing::input();
    assert_eq!(rig.cell.validate(&input, std::slice::from_ref(&hoard)).remove(0).verdict.effect, Effect::Allow);
    // `deny` is the same function for every run: it denies in the name of whoever calls it.
    let verdict = rig.cell.validate(&input, &[hoard]).remove(0).verdict;
    assert_eq!(messages(&verdict), ["from the last run"]);
}

/// The registry of `Symbol.for` belongs to the isolate: it is a way for policies of one domain to tell one another
/// that a string was used, no more, for a symbol carries nothing but its key.
#[test]
fn the_symbol_registry_carries_no_data() {
    let mut rig = Rig::new();
    let verdicts = rig.batch([
        validate("const s = Symbol.for('channel'); try { Object.assign(s, { x: 1 }); s.x = 1; } catch { }"),
        validate("c.deny(`${Symbol.for('channel').x} ${Symbol.keyFor(Symbol.for('channel'))}`)"),
    ]);
    assert_eq!(messages(&verdicts[1]), ["undefined channel"]);
}
