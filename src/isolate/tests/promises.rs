//! Async handlers, rejections, and what a run leaves behind.

use super::super::testing::{Rig, bundle, error, messages, module, validate};
use crate::decision::{Cause, Effect};

#[test]
fn a_rejected_handler_is_an_error_with_its_place() {
    let verdict = Rig::new().run(module("async validate() {\n await null;\n throw new TypeError('boom'); }"));
    let (cause, message) = error(&verdict);
    assert_eq!(cause, Cause::Exception);
    assert_eq!(message, "TypeError: boom (at p.js:3:8)");
}

#[test]
fn a_rejection_with_something_that_is_no_error_is_told() {
    for (thrown, told) in [
        ("'text'", "text"),
        ("null", "null"),
        ("undefined", "undefined"),
        ("{ code: 7 }", r#"an object was thrown: {"code":7}"#),
        ("Symbol('s')", "Symbol(s)"),
    ] {
        let verdict = Rig::new().run(module(&format!("async validate() {{ throw {thrown}; }}")));
        assert_eq!(error(&verdict), (Cause::Exception, told), "{thrown}");
    }
}

#[test]
fn a_rejection_that_nobody_handles_is_an_error() {
    let mut rig = Rig::new();
    for body in [
        "Promise.reject(new Error('lost'))",
        "(async () => { throw new Error('lost'); })()",
        "Promise.resolve().then(() => { throw new Error('lost'); })",
        "new Promise((_, no) => no(new Error('lost')))",
    ] {
        let verdict = rig.run(validate(body));
        assert_eq!(error(&verdict).0, Cause::Exception, "{body}");
        assert!(error(&verdict).1.starts_with("Error: lost"), "{body}: {verdict:?}");
    }
}

#[test]
fn a_rejection_that_is_handled_in_time_is_none() {
    let mut rig = Rig::new();
    for body in [
        "Promise.reject(new Error('x')).catch(() => {})",
        "const p = Promise.reject(new Error('x')); Promise.resolve().then(() => p.catch(() => {}))",
        "Promise.allSettled(Array.from({ length: 3000 }, async () => { throw new Error('x'); }))",
    ] {
        assert_eq!(rig.run(validate(&format!("{body};"))).effect, Effect::Allow, "{body}");
    }
}

#[test]
fn a_flood_of_rejections_is_an_error_and_keeps_nothing() {
    let mut rig = Rig::new();
    let verdict = rig.run(validate("for (let i = 0; i < 200000; i += 1) Promise.reject(i)"));
    assert_eq!(error(&verdict), (Cause::Exception, "too many promises were rejected, and nobody handles them"));
    assert_eq!(rig.run(validate("")).effect, Effect::Allow);
}

#[test]
fn the_first_rejection_is_the_one_that_is_told() {
    let verdict =
        Rig::new().run(validate("for (const text of ['one', 'two', 'three', 'four']) Promise.reject(new Error(text))"));
    assert!(error(&verdict).1.starts_with("Error: one"), "{verdict:?}");
}

#[test]
fn a_promise_that_can_never_settle_is_told_at_once() {
    let begun = std::time::Instant::now();
    let verdict = Rig::new().run(module("async validate() { await new Promise(() => {}); }"));
    assert_eq!(error(&verdict).0, Cause::Unsettled);
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn a_thenable_is_not_a_promise() {
    let verdict = Rig::new().run(validate("return { then(done) { done(); } }"));
    assert!(error(&verdict).1.contains("validate returned object"), "{verdict:?}");
}

/// The microtasks of all policies of an isolate share a queue.
#[test]
fn what_a_policy_leaves_behind_never_runs_in_its_neighbours_turn() {
    let leave = "Promise.resolve().then(() => { c.deny('left behind'); c.warn('left behind'); })";
    let mut rig = Rig::new();
    for culprit in [
        validate(&format!("{leave}; throw new Error('x')")),
        module(&format!("async validate(c) {{ {leave}.then(() => c.deny('more')); throw new Error('x'); }}")),
        validate(&format!("throw {{ get message() {{ {leave}; return 'x'; }} }}")),
        validate(&format!("{leave}; return 1")),
        validate(&format!("return {{ get then() {{ {leave}; }} }}")),
        validate(&format!("Promise.reject({{ get message() {{ {leave}; return 'x'; }} }})")),
        validate(&format!("{leave}; return new Promise(() => {{}})")),
        validate(&format!("c.deny('x'); {leave}")),
    ] {
        let verdicts = rig.batch([culprit, validate("Promise.resolve().then(() => Promise.resolve())")]);
        assert_eq!(verdicts[1].effect, Effect::Allow, "after {:?}", verdicts[0]);
        assert!(verdicts[1].warnings.is_empty());
    }
}

#[test]
fn what_a_draft_leaves_behind_never_runs_in_its_neighbours_turn() {
    let mut rig = Rig::new();
    let leave = "c.object.toJSON = () => { Promise.resolve().then(() => c.deny('left behind')); return {}; }";
    let verdicts = rig.chain([super::super::testing::mutate(leave), super::super::testing::mutate("")]);
    assert_eq!(verdicts[1].effect, Effect::Allow, "{verdicts:?}");
}

#[test]
fn what_the_top_level_of_a_module_leaves_behind_is_its_own() {
    let mut rig = Rig::new();
    let late = bundle("Promise.reject(new Error('at load')); ({ default: { validate() {} } })");
    let verdicts = rig.batch([validate(""), late, validate("")]);
    assert_eq!(verdicts[0].effect, Effect::Allow);
    assert!(error(&verdicts[1]).1.starts_with("Error: at load (at p.js:1:"), "{verdicts:?}");
    assert_eq!(verdicts[2].effect, Effect::Allow);
}

#[test]
fn microtasks_of_the_top_level_run_before_the_first_review() {
    let draft = bundle(
        "let ready = 'no'; Promise.resolve().then(() => { ready = 'yes'; });
         ({ default: { validate({ deny }) { deny(ready); } } })",
    );
    assert_eq!(messages(&Rig::new().run(draft)), ["yes"]);
}
