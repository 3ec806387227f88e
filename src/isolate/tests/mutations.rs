//! Mutating module policies: what they change, in which order, and what is not applied.

use super::super::testing::{Rig, error, messages, mutate, validate};
use crate::decision::{Cause, Effect, Mutation, Verdict};
use crate::policy::{Enforcement, OnError};

fn change(verdict: &Verdict) -> Option<(serde_json::Value, serde_json::Value)> {
    let Mutation { before, after } = verdict.mutation.as_ref()?;
    Some((serde_json::from_str(before).unwrap(), serde_json::from_str(after).unwrap()))
}

#[test]
fn a_draft_is_edited_in_place() {
    let verdict = Rig::new().run(mutate("c.object.metadata.labels.team = 'a'; delete c.object.spec"));
    let (before, after) = change(&verdict).unwrap();
    assert_eq!(verdict.effect, Effect::Allow);
    assert!(before["spec"].is_object());
    assert_eq!(after["metadata"]["labels"]["team"], "a");
    assert!(after.get("spec").is_none());
}

#[test]
fn what_is_not_changed_is_no_mutation() {
    let mut rig = Rig::new();
    assert_eq!(rig.run(mutate("")).mutation, None);
    assert_eq!(rig.run(mutate("c.object.x = 1; delete c.object.x")).mutation, None);
}

#[test]
fn each_sees_what_the_last_one_left() {
    let verdicts = Rig::new().chain([
        mutate("c.object.metadata.labels.step = '1'"),
        mutate("c.object.metadata.labels.step += '2'"),
        mutate(""),
        mutate("c.object.metadata.labels.step += '3'"),
    ]);
    let steps: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            change(verdict).map(|(before, after)| {
                [before, after].map(|object| object["metadata"]["labels"]["step"].as_str().unwrap_or("-").to_owned())
            })
        })
        .collect();
    let step = |before: &str, after: &str| Some([before.to_owned(), after.to_owned()]);
    assert_eq!(steps, [step("-", "1"), step("1", "12"), None, step("12", "123")]);
}

#[test]
fn a_dry_policy_changes_nothing_for_the_next() {
    let verdicts = Rig::new().chain([
        mutate("c.object.metadata.labels.step = '1'").with(|spec| spec.enforcement = Enforcement::Dry),
        mutate("c.object.metadata.labels.seen = String(c.object.metadata.labels.step)"),
    ]);
    assert!(verdicts[0].mutation.is_some(), "what it would have done is told");
    assert_eq!(change(&verdicts[1]).unwrap().1["metadata"]["labels"]["seen"], "undefined");
}

#[test]
fn the_change_of_a_policy_that_denies_is_not_seen_by_the_next() {
    let verdicts = Rig::new().chain([
        mutate("c.object.metadata.labels.step = '1'; c.deny('no')").with(|spec| spec.enforcement = Enforcement::Warn),
        mutate("c.object.metadata.labels.seen = String(c.object.metadata.labels.step)"),
    ]);
    assert_eq!(messages(&verdicts[0]), ["no"]);
    assert_eq!(change(&verdicts[1]).unwrap().1["metadata"]["labels"]["seen"], "undefined");
}

#[test]
fn an_error_drops_the_draft() {
    let verdicts = Rig::new().chain([
        mutate("c.object.metadata.labels.step = '1'; throw new Error('x')").with(|spec| spec.on_error = OnError::Allow),
        mutate("c.object.metadata.labels.seen = String(c.object.metadata.labels.step)"),
    ]);
    assert_eq!(error(&verdicts[0]).0, Cause::Exception);
    assert_eq!(verdicts[0].mutation, None);
    assert_eq!(change(&verdicts[1]).unwrap().1["metadata"]["labels"]["seen"], "undefined");
}

#[test]
fn a_chain_ends_where_the_request_is_lost() {
    let mut rig = Rig::new();
    assert_eq!(rig.chain([mutate("c.deny('no')"), mutate("")]).len(), 1);
    assert_eq!(rig.chain([mutate("throw new Error('x')"), mutate("")]).len(), 1);
    let warn = mutate("c.deny('no')").with(|spec| spec.enforcement = Enforcement::Warn);
    assert_eq!(rig.chain([warn, mutate("")]).len(), 2);
}

#[test]
fn only_the_draft_can_be_written() {
    let mut rig = Rig::new();
    let verdict = rig.run(mutate("c.request.object.metadata.name = 'x'"));
    assert_eq!(error(&verdict).0, Cause::Exception);
    assert_eq!(rig.run(mutate("if (c.oldObject !== null) c.deny('x')")).effect, Effect::Allow);
}

#[test]
fn a_returned_object_is_an_error_that_says_how_it_is_done() {
    let verdict = Rig::new().run(mutate("return c.object"));
    assert!(error(&verdict).1.starts_with("TypeError: mutate returned object: edit `object` in place"), "{verdict:?}");
}

#[test]
fn what_cannot_be_written_as_json_is_an_error() {
    let mut rig = Rig::new();
    for body in ["c.object.self = c.object", "c.object.n = 1n", "c.object.toJSON = () => { throw new Error('x'); }"] {
        assert_eq!(error(&rig.run(mutate(body))).0, Cause::Exception, "{body}");
    }
}

#[test]
fn an_object_that_grew_without_bound_is_refused() {
    let verdict = Rig::new().run(mutate("c.object.x = 'x'.repeat(9 << 20)"));
    assert_eq!(error(&verdict).0, Cause::BadResult, "{:?}", verdict.effect);
    assert_eq!(verdict.mutation, None);
}

#[test]
fn a_mutation_leaves_validation_of_the_same_realm_alone() {
    let mut rig = Rig::new();
    rig.run(mutate("c.object.metadata.name = 'changed'"));
    assert_eq!(messages(&rig.run(validate("c.deny(c.object.metadata.name)"))), ["web"]);
}
