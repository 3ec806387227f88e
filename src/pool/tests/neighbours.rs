//! What one policy, or one tenant, may cost the others: nothing that they would notice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::PoolSize;
use super::{denying, looping, names, rig, rig_of, wait_until};
use crate::decision::Cause;
use crate::isolate::testing::{error, input, messages, validate};
use crate::policy::Isolation;

#[test]
fn a_run_that_takes_long_holds_up_nobody_and_runs_apart_from_then_on() {
    let size = PoolSize { spares: 1, apart_threads: 1, waiting_threads: 1, ..PoolSize::for_cores(1) };
    let rig = rig_of(size, Duration::from_millis(400), &[]);
    let long = looping("long");
    for round in 0..2 {
        let mut asked = vec![(input(), vec![Arc::clone(&long)])];
        asked.extend((0..20).map(|_| (input(), vec![denying("quick")])));
        let answers = rig.at_once(&asked);
        let (evaluated, took) = &answers[0];
        assert_eq!(error(&evaluated[0].verdict).0, Cause::Cpu);
        for (evaluated, quick) in &answers[1..] {
            assert_eq!(messages(&evaluated[0].verdict), ["quick"]);
            assert!(*quick * 2 < *took, "waited {quick:?} of the {took:?} that the other took");
        }
        assert_eq!(long.conduct.is_apart(Instant::now()), round == 1);
    }
    let mut asked: Vec<_> = (0..3).map(|_| (input(), vec![Arc::clone(&long), denying("quick")])).collect();
    asked.extend((0..20).map(|_| (input(), vec![denying("quick")])));
    let answers = rig.at_once(&asked);
    for (evaluated, _) in &answers[..2] {
        assert_eq!(error(&evaluated[0].verdict).0, Cause::Cpu);
        assert_eq!(messages(&evaluated[1].verdict), ["quick"]);
    }
    for (_, quick) in &answers[3..] {
        assert!(*quick * 2 < answers[0].1, "{quick:?} of {:?}", answers[0].1);
    }
    rig.check_whole();
}

#[test]
fn a_policy_that_takes_long_to_load_is_no_slow_policy() {
    // Some 50 ms; a module has no clock to wait by.
    let top = "let sum = 0; for (let i = 0; i < 4e7; i += 1) sum ^= i;";
    let source = format!("{top} ({{ default: {{ validate({{ deny }}) {{ deny('no'); }} }} }})");
    let heavy = crate::isolate::testing::bundle(&source).made();
    let size = PoolSize { spares: 1, apart_threads: 1, waiting_threads: 1, ..PoolSize::for_cores(1) };
    let rig = rig_of(size, Duration::from_millis(400), &[Arc::clone(&heavy)]);
    let of_tenant = |name: &str| {
        crate::isolate::testing::bundle(&source).named(name).with(|spec| spec.tenant = Some(name.into())).made()
    };
    for name in ["a", "b", "c"] {
        assert_eq!(messages(&rig.validate(&input(), &[of_tenant(name)])[0]), ["no"]);
    }
    assert_eq!(messages(&rig.validate(&input(), &[Arc::clone(&heavy)])[0]), ["no"]);
    assert!(!heavy.conduct.is_apart(Instant::now()));
    // Every one is on the thread that loaded it: nobody has given way to a thread that would load it again.
    wait_until("it has settled", || rig.metrics.isolates.get() >= 4);
    rig.check_whole();
}

#[test]
fn a_policy_whose_runs_all_have_to_be_ended_is_not_asked_for_a_while() {
    let rig = rig(1, 16, &[]);
    let long = looping("long");
    for _ in 0..5 {
        assert_eq!(error(&rig.validate(&input(), &[Arc::clone(&long)])[0]).0, Cause::Cpu);
    }
    let verdicts = rig.validate(&input(), &[denying("a"), Arc::clone(&long), denying("b")]);
    assert_eq!(names(&verdicts), ["a", "long", "b"]);
    assert_eq!(error(&verdicts[1]).0, Cause::Shunned);
    assert_eq!(messages(&verdicts[0]), ["a"]);
    assert_eq!(messages(&verdicts[2]), ["b"]);
    let evaluated = rig.runtime.block_on(rig.pool.mutate(&input(), &[long]));
    assert_eq!(error(&evaluated[0].verdict).0, Cause::Shunned);
}

#[test]
fn every_domain_has_a_heap_of_its_own() {
    let rig = rig(1, 16, &[]);
    let counting = || {
        crate::isolate::testing::bundle(
            "const key = Symbol.for('n'); ({ default: { validate({ deny }) { deny(String(key === Symbol.for('n'))); } } })",
        )
    };
    wait_until("the first isolates are there", || rig.metrics.isolates.get() >= 0);
    let policies = [
        counting().named("a").made(),
        counting().named("b").with(|spec| spec.isolation = Isolation::Dedicated).made(),
        counting().named("c").with(|spec| spec.tenant = Some("one".into())).made(),
        counting().named("d").with(|spec| spec.tenant = Some("one".into())).made(),
        counting().named("e").with(|spec| spec.tenant = Some("two".into())).made(),
    ];
    let verdicts = rig.validate(&input(), &policies);
    assert_eq!(names(&verdicts), ["a", "b", "c", "d", "e"]);
    // The host's, the policy's own, and one for each tenant; all on the only thread.
    wait_until("four isolates are counted", || rig.metrics.isolates.get() == 4);
}

#[test]
fn a_storm_of_one_tenant_makes_nobody_else_wait() {
    let rig = rig(1, 4_096, &[]);
    let of = |name: &str, tenant: &str| {
        let busy = "let x = 0; for (let i = 0; i < 1e6; i += 1) x += i; c.deny('done')";
        validate(busy).named(name).with(|spec| spec.tenant = Some(tenant.into())).made()
    };
    let (storm, calm) = (of("storm", "a"), of("calm", "b"));
    rig.at_once(&[(input(), vec![Arc::clone(&storm)]), (input(), vec![Arc::clone(&calm)])]);
    let mut asked: Vec<_> = (0..300).map(|_| (input(), vec![Arc::clone(&storm)])).collect();
    asked.extend((0..3).map(|_| (input(), vec![Arc::clone(&calm)])));
    let answers = rig.at_once(&asked);
    let longest = answers.iter().map(|(_, took)| *took).max().unwrap();
    for (evaluated, took) in &answers[300..] {
        assert_eq!(messages(&evaluated[0].verdict), ["done"]);
        assert!(*took * 3 < longest, "{took:?} of {longest:?}");
    }
}
