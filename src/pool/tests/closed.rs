//! Closed scripts among the others: in which lane they run, and how they come to a realm of their own.

use std::sync::Arc;

use super::super::Pool;
use super::rig;
use crate::decision::Cause;
use crate::isolate::testing::{error, input, messages, mutate, script, validate};
use crate::policy::ClosedScript;

#[test]
fn a_closed_script_does_not_wait_behind_one_that_sleeps() {
    let sleeps = script("sleep(400); deny('slept')").named("sleeps").made();
    let closed = script("deny('at once')").named("closed").made();
    let rig = rig(1, 16, &[Arc::clone(&sleeps), Arc::clone(&closed)]);
    let asked: Vec<_> = [sleeps, closed].into_iter().map(|one| (input(), vec![one])).collect();
    let answers = rig.at_once(&asked);
    let said: Vec<_> = answers.iter().map(|(verdicts, _)| messages(&verdicts[0].verdict)).collect();
    assert_eq!(said, [["slept"], ["at once"]]);
    assert!(answers[1].1 < answers[0].1, "{answers:?}");
}

#[test]
fn a_closed_script_that_fails_is_told_as_from_a_realm_of_its_own() {
    let made = || {
        vec![
            validate("c.deny('before')").named("a").made(),
            script("const list = [];\nlist.first.name;").named("b").made(),
            script("const op = 'sle' + 'ep'; globalThis[op](1); deny('slept');").named("c").made(),
            validate("c.deny('after')").named("d").made(),
        ]
    };
    let (shared, apart) = (made(), made());
    for revision in &apart {
        revision.code.closed.iter().for_each(ClosedScript::refute);
    }
    let rig = rig(1, 16, &shared);
    let verdicts = rig.validate(&input(), &shared);
    assert_eq!(error(&verdicts[1]).0, Cause::Exception);
    assert!(error(&verdicts[1]).1.contains("(at p.js:3:12)"), "{verdicts:?}");
    assert_eq!(verdicts, rig.validate(&input(), &apart));
    assert_eq!(verdicts.iter().map(|verdict| &*verdict.policy).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

#[test]
fn a_closed_script_that_takes_long_has_all_of_its_time_all_the_same() {
    let long = script("let n = 0; while (n < 5e8) n += 1; deny('late')").named("long").made();
    let rig = rig(1, 16, &[Arc::clone(&long)]);
    for _ in 0..2 {
        assert_eq!(messages(&rig.validate(&input(), &[Arc::clone(&long)])[0]), ["late"]);
        assert_eq!(long.code.proof(), None);
    }
    rig.check_whole();
}

#[test]
fn a_mutating_closed_script_is_one_of_a_chain() {
    let chain = [
        mutate("c.object.a = 1").named("a").made(),
        script("request.object.b = 1; mutate(request.object)").named("b").made(),
    ];
    assert!(chain[1].code.proof().is_some());
    assert_eq!(Pool::one_go(&chain), 1);
    assert_eq!(Pool::one_go(&chain[1..]), 1);
    let rig = rig(1, 16, &chain);
    let verdicts = rig.runtime.block_on(rig.pool.mutate(&input(), &chain[1..]));
    let mutation = verdicts[0].verdict.mutation.as_ref().unwrap();
    assert_ne!(mutation.before, mutation.after);
}
