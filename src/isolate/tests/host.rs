//! Calls to the host from within a realm: how much of them, by whom, and what becomes of their answers.

use super::super::Limits;
use super::super::testing::{Draft, Rig, bundle, error, inventory, messages, module, validate};
use crate::decision::{Cause, Effect};
use crate::policy::Permissions;

fn rig() -> Rig {
    Rig::with(Limits::default(), inventory())
}

fn reads(draft: Draft) -> Draft {
    draft.with(|spec| spec.permissions = Permissions { read: vec!["*".to_owned()], ..Permissions::default() })
}

const READ: &str = "c.get('v1/ConfigMap', { namespace: 'shop', name: 'known' })";

#[test]
fn what_is_read_is_frozen() {
    let draft =
        reads(validate(&format!("const map = {READ}; c.deny(`${{map.data.key}} ${{Object.isFrozen(map.data)}}`)")));
    assert_eq!(messages(&rig().run(draft)), ["found true"]);
    let draft = reads(validate(
        "const all = c.list('v1/ConfigMap', {}); c.deny(`${all.length} ${Object.isFrozen(all)} ${Object.isFrozen(all[0].data)}`)",
    ));
    assert_eq!(messages(&rig().run(draft)), ["1 true true"]);
}

#[test]
fn permissions_are_those_of_the_policy_that_runs() {
    let mut rig = rig();
    let verdicts = rig.batch([reads(validate(READ)), validate(READ), reads(validate(READ))]);
    assert_eq!(verdicts[0].effect, Effect::Allow);
    assert!(error(&verdicts[1]).1.starts_with("HostError: "), "{verdicts:?}");
    assert_eq!(verdicts[2].effect, Effect::Allow);
}

#[test]
fn a_module_may_not_call_the_host_before_it_is_asked() {
    let verdict = rig().run(bundle(
        "console.log('at load'); const text = btoa('x'); ({ default: { validate({ deny }) { deny(text); } } })",
    ));
    assert_eq!(messages(&verdict), ["eA=="], "what needs no host works");
}

#[test]
fn a_flood_of_calls_is_refused_and_the_next_run_has_its_own_count() {
    let mut rig = rig();
    let flood = reads(validate(&format!("for (let i = 0; i < 1001; i += 1) {READ}")));
    let (cause, message) = {
        let verdict = rig.run(flood);
        let (cause, message) = error(&verdict);
        (cause, message.to_owned())
    };
    assert_eq!(cause, Cause::Exception);
    assert!(message.contains("more than 1000 host calls"), "{message}");
    assert_eq!(rig.run(reads(validate(READ))).effect, Effect::Allow);
}

#[test]
fn too_many_promises_at_once_are_refused() {
    let many = reads(module("async validate(c) { await Promise.all(Array.from({ length: 65 }, () => c.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace: 'shop' } }))); }"))
        .with(|spec| spec.permissions.write = vec!["*".to_owned()]);
    let verdict = rig().run(many);
    assert_eq!(error(&verdict).0, Cause::Exception, "{verdict:?}");
}

#[test]
fn answers_that_come_after_the_run_find_nobody() {
    let mut rig = rig();
    let ask =
        "const asked = Array.from({ length: 64 }, () => c.fetch('http://127.0.0.1:9/').catch(() => c.deny('late')))";
    let net = |draft: Draft| draft.with(|spec| spec.permissions.net = vec!["*".to_owned()]);
    for _ in 0..6 {
        // None of them is waited for.
        let verdict = rig.run(net(validate(ask)));
        assert!(matches!(verdict.effect, Effect::Allow | Effect::Error(_)), "{verdict:?}");
        // One that does wait gets its own answers, however many of the last run's come in meanwhile.
        let waits = module(
            "async validate(c) { try { await c.fetch('http://127.0.0.1:9/'); } catch (e) { c.deny(e.reason); } }",
        );
        let verdict = rig.run(net(waits));
        assert_eq!(messages(&verdict).len(), 1);
        assert_ne!(messages(&verdict), ["late"]);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn an_argument_without_bound_is_refused() {
    let mut rig = rig();
    for body in [
        "btoa('x'.repeat(17 << 20))",
        "new TextEncoder().encode('x'.repeat(17 << 20))",
        "new URL('http://a/' + 'x'.repeat(17 << 20))",
    ] {
        let verdict = rig.run(validate(body));
        assert!(error(&verdict).1.starts_with("RangeError: the argument is longer than"), "{body}: {verdict:?}");
    }
    assert_eq!(
        rig.run(validate("console.log('x'.repeat(1 << 24)); c.log('x'.repeat(1 << 24), {}, 1n === 1n)")).effect,
        Effect::Allow
    );
}

#[test]
fn printing_what_cannot_be_printed_harms_nobody() {
    let body = "const cycle = {}; cycle.cycle = cycle; console.log(cycle, 1n, Symbol('s'), null, undefined, () => 1, new Proxy({}, { get() { throw 1; } }), new Error('x'))";
    assert_eq!(Rig::new().run(validate(body)).effect, Effect::Allow);
}
