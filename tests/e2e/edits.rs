//! A policy may be edited while it is in use: no request is lost, and the last edit holds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::api::{Reply, eventually};
use super::bylaw::with_bylaw;
use super::objects::{config_map, secret};
use super::policies::{PolicyFile, policy};

/// At least so many creates run, and for as long as there are edits.
const CREATES: usize = 200;
const CLIENTS: usize = 4;
const EDITS: usize = 10;
const BETWEEN_EDITS: Duration = Duration::from_millis(50);

fn revision(number: usize) -> PolicyFile {
    let handler = format!(
        r#"
        match: {{ resources: ["configmaps"], operations: ["CREATE"] }},
        mutate({{ object }}) {{ object.metadata.labels = {{ revision: "{number}" }}; }},
        validate({{ warn }}) {{ warn("judged by revision {number}"); }},
        "#
    );
    policy("edited", &handler)
}

fn broken() -> PolicyFile {
    PolicyFile { text: "export default policy({".to_owned(), ..revision(0) }
}

#[test]
fn no_create_fails_while_a_policy_is_edited() {
    with_bylaw([revision(0)], |bylaw| {
        let (next, edited) = (AtomicUsize::new(0), AtomicBool::new(false));
        let create_all = || loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= CREATES && edited.load(Ordering::Relaxed) {
                return;
            }
            let reply = bylaw.create("configmaps", &config_map(&format!("c-{number}"), json!({})));
            assert!(reply.is_good() && reply.warnings.len() == 1, "create {number}: {reply:?}");
        };
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(create_all);
            }
            for edit in 1..=EDITS {
                bylaw.write(&revision(edit));
                thread::sleep(BETWEEN_EDITS);
                bylaw.write(&broken());
                thread::sleep(BETWEEN_EDITS);
            }
            edited.store(true, Ordering::Relaxed);
        });

        bylaw.write(&policy(
            "edited",
            r#"match: { resources: ["configmaps"], operations: ["CREATE"] }, validate({ deny }) { deny("closed"); },"#,
        ));
        let late = || bylaw.create("configmaps?dryRun=All", &config_map("late", json!({})));
        let refused = eventually("the last edit is in force", late, |reply| !reply.is_good());
        assert!(refused.message().contains("closed"), "{refused:?}");
    });
}

#[test]
fn a_policy_that_is_taken_away_judges_no_more() {
    let closed = policy(
        "closed",
        r#"match: { resources: ["secrets"], operations: ["CREATE"] }, validate({ deny }) { deny("closed"); },"#,
    );
    with_bylaw([closed.clone()], |bylaw| {
        let secret = secret("a", json!({}));
        assert!(bylaw.rejects("secrets", &secret).contains("closed"));
        bylaw.remove(&closed);
        eventually("the policy is gone", || bylaw.create("secrets?dryRun=All", &secret), Reply::is_good);
    });
}

#[test]
fn a_policy_that_moves_to_another_webhook_holds_before_it_is_registered_anew() {
    let closed = |match_policy: &str| {
        let matching =
            format!(r#"match: {{ resources: ["secrets"], operations: ["CREATE"], matchPolicy: "{match_policy}" }},"#);
        policy("closed", &format!(r#"{matching} validate({{ deny }}) {{ deny("closed to {match_policy}"); }},"#))
    };
    with_bylaw([closed("Exact")], |bylaw| {
        let create = || bylaw.create("secrets", &secret("a", json!({}))).refusal();
        assert!(create().contains("closed to Exact"));
        bylaw.write(&closed("Equivalent"));
        eventually("the edit is in force", create, |refusal| refusal.contains("closed to Equivalent"));
    });
}
