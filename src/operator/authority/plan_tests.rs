use std::time::{Duration, SystemTime};

use super::material::{Material, NEXT_KEY};
use super::plan::{Change, DELETED, Found, Terms, first, plan};

const DAY: Duration = Duration::from_hours(24);

fn terms() -> Terms {
    Terms { subjects: vec!["a.example.com".to_owned()], authority_life: DAY * 365, leaf_life: DAY * 90 }
}

fn decide(secret: &Material, is_shown: bool, now: SystemTime) -> Option<Change> {
    plan(Found { secret: Some(secret), last_good: None, is_shown }, &terms(), now).unwrap()
}

/// What is written must be what the next look finds.
fn written(change: Option<Change>) -> Material {
    let change = change.expect("nothing is to be done");
    let read = Material::read(&change.to.to_data());
    assert_eq!(read, change.to, "{}", change.why);
    assert!(read.is_whole(), "{}", change.why);
    read
}

#[test]
fn a_rotation_trusts_first_then_signs_then_drops() {
    let start = SystemTime::now();
    let old = first(&terms(), start).unwrap();
    assert_eq!(decide(&old, true, start + DAY * 59), None);
    let renewed = written(decide(&old, true, start + DAY * 61));
    assert_eq!((&renewed.bundle, &renewed.signer), (&old.bundle, &old.signer));
    assert_ne!(renewed.leaf, old.leaf);

    let due = start + DAY * 244;
    let held =
        Material { leaf: Some(old.signer.as_ref().unwrap().leaf(&terms().subjects, due, DAY * 90).unwrap()), ..old };
    let announced = written(decide(&held, true, due));
    assert_eq!(announced.leaf, held.leaf, "nobody trusts the new authority yet");
    assert_eq!(announced.bundle.len(), 2);
    assert!(announced.bundle.contains(&held.bundle[0]));
    assert_eq!(decide(&announced, false, due + DAY), None, "the configurations do not show it");

    let switched = written(decide(&announced, true, due + DAY));
    assert_eq!((&switched.signer, &switched.next), (&announced.next, &None));
    assert_eq!(switched.bundle, announced.bundle, "some replica may still serve the old leaf");
    assert!(!switched.to_data().contains_key(NEXT_KEY));
    assert_eq!(decide(&switched, true, due + DAY * 2), None);

    let dropped = written(decide(&switched, true, due + DAY * 62));
    assert_eq!(dropped.bundle, [switched.signer.as_ref().unwrap().ca.clone()]);
}

#[test]
fn a_leaf_is_renewed_by_the_old_authority_while_the_new_one_is_not_trusted() {
    let start = SystemTime::now();
    let old = first(&terms(), start).unwrap();
    let due = start + DAY * 244;
    let leaf = old.signer.as_ref().unwrap().leaf(&terms().subjects, due, DAY * 90).unwrap();
    let announced = written(decide(&Material { leaf: Some(leaf), ..old }, false, due));
    let renewed = written(decide(&announced, false, due + DAY * 61));
    assert_eq!(renewed.bundle, announced.bundle);
    assert_eq!(renewed.next, announced.next);
    assert_eq!(decide(&renewed, false, start + DAY * 364), None, "it ends with its authority");
    let lost = written(decide(&renewed, false, start + DAY * 366));
    assert_eq!(lost.signer, announced.next, "nobody can be served any more: there is nothing to wait for");
}

#[test]
fn a_deleted_secret_comes_back_as_it_was_and_a_new_authority_follows() {
    let now = SystemTime::now();
    let good = first(&terms(), now).unwrap();
    let found = Found { secret: None, last_good: Some(&good), is_shown: false };
    let change = plan(found, &terms(), now).unwrap().unwrap();
    assert_eq!((change.why, &change.to.leaf, &change.to.signer), (DELETED, &good.leaf, &good.signer));
    assert!(change.to.next.is_some() && change.to.bundle.contains(&good.bundle[0]));
    // Deleted again before the new one signs: no third.
    let found = Found { last_good: Some(&change.to), ..found };
    assert_eq!(plan(found, &terms(), now).unwrap().unwrap().to, change.to);
}

#[test]
fn a_secret_that_cannot_be_used_is_healed_from_what_is_known_or_made_anew() {
    let now = SystemTime::now();
    let good = first(&terms(), now).unwrap();
    let garbage = Material::default();
    let found = Found { secret: Some(&garbage), last_good: Some(&good), is_shown: false };
    assert_eq!(plan(found, &terms(), now).unwrap().unwrap().to, good);
    let anew = written(decide(&garbage, false, now));
    assert!(anew.signer.is_some());

    let without_leaf = Material { leaf: None, ..good.clone() };
    let healed = written(decide(&without_leaf, false, now));
    assert_eq!(healed.bundle, good.bundle, "clients need to be told nothing");
}

#[test]
fn what_has_expired_altogether_is_made_anew_at_once() {
    let now = SystemTime::now();
    let past = now - DAY * 400;
    let old = first(&terms(), past).unwrap();
    let anew = written(decide(&old, false, now));
    assert!(anew.is_good(now) && anew.bundle != old.bundle);
}

#[test]
fn an_expired_leaf_of_a_good_authority_costs_no_new_authority() {
    let now = SystemTime::now();
    let old = first(&terms(), now - DAY * 100).unwrap();
    let renewed = written(decide(&old, false, now));
    assert_eq!(renewed.bundle, old.bundle);
    assert!(renewed.is_good(now) && !old.is_good(now));
}

#[test]
fn a_secret_without_the_key_of_its_authority_is_taken_over_in_the_same_order() {
    let now = SystemTime::now();
    let foreign = Material { signer: None, ..first(&terms(), now).unwrap() };
    let announced = written(decide(&foreign, false, now));
    assert_eq!(announced.leaf, foreign.leaf);
    assert_eq!(decide(&announced, false, now), None);
    let switched = written(decide(&announced, true, now));
    assert!(switched.bundle.contains(&foreign.bundle[0]) && switched.signer == announced.next);
}

#[test]
fn other_names_make_a_new_leaf() {
    let now = SystemTime::now();
    let old = first(&terms(), now).unwrap();
    let more = Terms { subjects: vec!["a.example.com".to_owned(), "127.0.0.1".to_owned()], ..terms() };
    let found = Found { secret: Some(&old), last_good: None, is_shown: false };
    let renewed = plan(found, &more, now).unwrap().unwrap().to;
    assert_eq!(renewed.bundle, old.bundle);
    assert_eq!(decide(&renewed, false, now), None, "one name more than is wanted is no reason");
}
