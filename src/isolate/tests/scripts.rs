//! jsPolicy scripts: exits that nothing can stop, realms that nobody shares, and the shelf.

use std::time::{Duration, Instant};

use super::super::testing::{PATIENCE, Rig, error, messages, script};
use super::super::{Limits, Spare};
use crate::decision::{Cause, Effect};
use crate::host::Objects;

#[test]
fn a_script_that_says_nothing_allows_and_one_that_denies_denies() {
    let mut rig = Rig::new();
    assert_eq!(rig.run(script("1")).effect, Effect::Allow);
    let verdict = rig.run(script("warn('w'); deny('no', 'Invalid', 422)"));
    match verdict.effect {
        Effect::Deny(denials) => {
            assert_eq!(
                (denials[0].message.as_str(), denials[0].reason.as_deref(), denials[0].code),
                ("no", Some("Invalid"), Some(422))
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(verdict.warnings, ["w"]);
}

#[test]
fn nothing_catches_an_exit() {
    let mut rig = Rig::new();
    for source in [
        "try { deny('first') } catch { deny('caught') } finally { deny('finally') } deny('after')",
        "try { deny('first') } finally { while (true) { try { deny('x') } finally { continue } } }",
        "(function f() { try { deny('first') } finally { f() } })()",
        "Promise.resolve().then(() => deny('first')).catch(() => deny('caught')).finally(() => deny('finally'))",
        "(async () => { try { await null; deny('first') } catch { deny('caught') } finally { deny('finally') } })()",
        "[3, 1, 2].sort(() => deny('first')); deny('after')",
        "JSON.stringify({ toJSON() { deny('first') } }); deny('after')",
        "new Proxy({}, { get() { deny('first') } }).x; deny('after')",
        "for (const x of (function* () { try { yield 1; } finally { deny('first') } })()) break; deny('after')",
        "'x'.replace(/x/, () => deny('first')); deny('after')",
        "throw { toString() { deny('first') } }",
        "class A { static { deny('first') } } deny('after')",
        "Promise.reject({ toString() { deny('first') } })",
    ] {
        let verdict = rig.run(script(source));
        assert_eq!(messages(&verdict), ["first"], "{source}");
        assert!(!rig.cell.condemned());
        assert_eq!(rig.run(script("1")).effect, Effect::Allow, "after {source}");
    }
}

#[test]
fn an_exit_while_the_response_is_read_spares_the_next_run() {
    let mut rig = Rig::new();
    for source in [
        "mutate({ toJSON() { exit() } })",
        "__response = { get deny() { exit() } }",
        "__response.message = { toJSON() { deny('x') } }",
        "Object.defineProperty(globalThis, '__response', { get() { exit() } })",
    ] {
        let verdict = rig.run(script(source));
        assert!(matches!(verdict.effect, Effect::Error(_)), "{source}: {verdict:?}");
        assert_eq!(messages(&rig.run(script("deny('next')"))), ["next"], "after {source}");
    }
}

#[test]
fn what_an_exited_script_left_to_do_is_never_done() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        let left = "Promise.resolve().then(() => { for (;;); }); deny('x')";
        assert_eq!(rig.script_told(left), ["x"]);
        assert_eq!(rig.run(script("Promise.resolve().then(() => 1)")).effect, Effect::Allow);
        rig.tend();
    }
}

#[test]
fn no_global_and_no_intrinsic_survives_its_run() {
    let mut rig = Rig::new();
    let tamper = "globalThis.leak = 1; Object.prototype.leak = 1; Array.prototype.push = () => deny('pushed');
         JSON.stringify = () => '[{\"deny\":true}]'; JSON.parse = () => { throw 1 };
         String.prototype.toWellFormed = () => 'x'; /(leak)/.exec('leak'); deny = allow = exit = () => {};";
    for _ in 0..3 {
        assert_eq!(rig.run(script(tamper)).effect, Effect::Allow);
        let clean = "if (typeof leak !== 'undefined' || ({}).leak || RegExp.$1) deny('leaked'); const a = []; a.push(1); JSON.parse('{}'); JSON.stringify({})";
        assert_eq!(rig.run(script(clean)).effect, Effect::Allow);
    }
}

/// jsPolicy read `__response` from the same realm, so a script that tampers with it hurts itself alone.
#[test]
fn a_forged_response_affects_its_own_verdict_only() {
    let mut rig = Rig::new();
    let forge = "Object.prototype.toJSON = () => ({ deny: true, message: 'forged' }); __response.x = 1";
    let verdict = rig.run(script(forge));
    assert!(!matches!(verdict.effect, Effect::Allow) || verdict.mutation.is_none());
    assert_eq!(rig.run(script("1")).effect, Effect::Allow);
}

#[test]
fn a_response_of_the_wrong_type_is_an_error() {
    let mut rig = Rig::new();
    for source in [
        "deny({})",
        "deny('x', 7)",
        "deny('x', 'r', 'code')",
        "deny('x', 'r', 70000)",
        "__response = 'text'",
        "__response = []",
        "__response.warnings = 'w'",
        "mutate('text')",
        "mutate([])",
    ] {
        assert_eq!(error(&rig.run(script(source))).0, Cause::BadResult, "{source}");
    }
}

#[test]
fn half_a_surrogate_pair_in_a_message_stays_a_denial() {
    assert_eq!(Rig::new().script_told("warn('\\udc00'); deny('a\\ud800b')"), ["a\u{fffd}b"]);
}

#[test]
fn a_response_without_bound_is_refused() {
    let verdict = Rig::new().run(script("deny('x'.repeat(17 << 20))"));
    assert_eq!(error(&verdict).0, Cause::BadResult, "{:?}", verdict.effect);
}

#[test]
fn what_is_thrown_is_told_whatever_it_does() {
    let mut rig = Rig::new();
    for (source, told) in [
        ("throw new TypeError('boom')", "Uncaught TypeError: boom"),
        ("throw 'text'", "Uncaught text"),
        ("throw { toString() { throw new Error('again') } }", "Uncaught Error: again"),
        ("throw { toString: 7, valueOf: 7 }", "Uncaught TypeError"),
        ("throw new Proxy({}, { get() { throw new Error('trap') } })", "Uncaught Error: trap"),
        ("throw Object.create(null)", "Uncaught TypeError"),
        ("throw undefined", "Uncaught undefined"),
        ("throw Symbol('s')", "Uncaught Symbol(s)"),
        ("const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { throw 1 } }); throw e", "Uncaught 1"),
    ] {
        let verdict = rig.run(script(source));
        let (cause, message) = error(&verdict);
        assert_eq!(cause, Cause::Exception, "{source}");
        assert!(message.starts_with(told), "{source}: {message}");
    }
}

#[test]
fn the_request_is_data_and_nothing_but_data() {
    let mut rig = Rig::new();
    let request = r#"{"uid":"1","operation":"CREATE","object":{"data":{"__proto__":{"polluted":true},"constructor":"c","a":1,"a":2}}}"#;
    let source = "const { data } = request.object;
         deny(JSON.stringify([Object.keys(data), data.polluted === undefined, Object.getPrototypeOf(data) === Object.prototype, data.a, request.oldObject]))";
    let verdict = rig.run_on(&super::super::testing::input_of(request), script(source));
    assert_eq!(messages(&verdict), [r#"[["__proto__","constructor","a"],true,true,2,null]"#]);
}

#[test]
fn text_never_becomes_code() {
    let mut rig = Rig::new();
    for source in [
        "eval('1')",
        "new Function('return 1')",
        "(async () => {}).constructor('return 1')",
        "(function* () {}).constructor('yield 1')",
        "(async function* () {}).constructor('yield 1')",
        "Reflect.construct(Function, ['return 1'])",
    ] {
        let verdict = rig.run(script(source));
        assert!(error(&verdict).1.starts_with("Uncaught EvalError"), "{source}: {verdict:?}");
    }
    let verdict = rig.run(script("(async () => import('data:text/javascript,1'))()"));
    assert_eq!(error(&verdict).0, Cause::Exception, "{verdict:?}");
}

#[test]
fn the_shelf_is_refilled_to_its_size_and_no_further() {
    let mut rig = Rig::new();
    let mut made = 1;
    while rig.cell.tend(Spare::Script) {
        made += 1;
        assert!(made < 100);
    }
    assert!(!rig.cell.tend(Spare::Script));
    assert!(made > 1);
}

fn with_prelude(prelude: &str) -> Rig {
    let limits =
        Limits { shared_prelude: Some(prelude.to_owned()), startup: Duration::from_millis(50), ..Limits::default() };
    Rig::with(limits, Objects::Nowhere)
}

#[test]
fn the_shared_prelude_runs_in_every_realm() {
    let mut rig = with_prelude("globalThis.count = (globalThis.count || 0) + 1");
    for _ in 0..3 {
        assert_eq!(rig.script_told("deny(String(count++))"), ["1"]);
    }
}

#[test]
fn a_shared_prelude_that_throws_is_told_by_name() {
    let mut rig = with_prelude("let a = 1;\nnope()");
    let verdict = rig.run(script("1"));
    let (cause, message) = error(&verdict);
    assert_eq!((cause, message), (Cause::Exception, "GLOBAL_CONTEXT: ReferenceError: nope is not defined (at 2:0)"));
}

#[test]
fn a_shared_prelude_that_never_ends_holds_nobody_for_long() {
    let mut rig = with_prelude("for (;;);");
    let begun = Instant::now();
    assert_eq!(error(&rig.run(script("1"))), (Cause::Exception, "GLOBAL_CONTEXT: does not end"));
    rig.renew();
    rig.cell.tend(Spare::Script);
    assert!(begun.elapsed() < PATIENCE / 3);
}
