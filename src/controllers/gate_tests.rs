use serde_json::json;

use super::*;
use crate::operator::Leading;
use crate::policy::Permissions;

const POLICY: &str = "a.b.c";

struct Bench {
    leading: Leading,
    writes: Writes,
}

impl Bench {
    fn new(rate: f64) -> Self {
        let (leading, leadership) = Leading::new();
        leading.set(true);
        let writes = Writes::new(leadership, rate);
        writes.open(&POLICY.into());
        writes.watches(POLICY, &kind());
        Self { leading, writes }
    }

    /// A run on the object in this version, which leaves it in that one.
    fn run(&self, version: u64, then: u64, is_change: bool) -> (Answer, Done) {
        self.writes.begin(POLICY, &key(), Left::Version(version), is_change);
        let answer = self.write(false, Ok(Some(object(then))));
        (answer, self.writes.end(POLICY))
    }

    fn write(&self, dry_run: bool, answer: Answer) -> Answer {
        let permissions = Permissions::default();
        let deadline = Instant::now() + Duration::from_secs(1);
        let caller =
            Caller { policy: POLICY, permissions: &permissions, dry_run, reconciles: true, review: None, deadline };
        let what =
            WrittenObject { kind: kind(), namespace: "shop".to_owned(), name: Some("a".to_owned()), is_removed: false };
        let work = self.writes.pass(&caller, what, Box::pin(async move { answer }));
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }
}

fn kind() -> Kind {
    Kind::parse("v1/ConfigMap").unwrap()
}

fn key() -> Key {
    Key { kind: kind(), namespace: "shop".into(), name: "a".into() }
}

fn object(version: u64) -> String {
    json!({"metadata": {"name": "a", "namespace": "shop", "resourceVersion": version.to_string()}}).to_string()
}

#[test]
fn a_controller_that_answers_its_own_writes_is_stopped_and_writes_no_more() {
    let bench = Bench::new(1_000.0);
    let done = (0..100).find(|at| bench.run(*at, at + 1, true).1.looped.is_some()).unwrap();
    assert_eq!(done, u64::from(LONGEST_CHAIN));
    assert_eq!(bench.run(99, 100, true).0.unwrap_err().reason, "LoopDetected");
    bench.writes.open(&POLICY.into());
    assert!(bench.run(100, 101, true).0.is_ok(), "its code has changed");
}

#[test]
fn what_the_clock_asks_for_is_no_loop() {
    let bench = Bench::new(1_000.0);
    assert!((0..100).all(|at| bench.run(at, at + 1, false).1.looped.is_none()));
}

#[test]
fn a_contest_with_somebody_else_is_noticed_by_its_number() {
    let bench = Bench::new(1_000.0);
    // Each time the object is in a version that no controller left.
    assert!((0..200).any(|at| bench.run(at * 2 + 1, at * 2 + 2, true).1.looped.is_some()));
}

#[test]
fn dry_runs_and_refused_writes_are_no_links_of_a_chain() {
    let bench = Bench::new(1_000.0);
    bench.writes.begin(POLICY, &key(), Left::Version(1), true);
    bench.write(true, Ok(Some(object(2)))).unwrap();
    assert_eq!(bench.writes.books().causes.length(&key(), Left::Version(2)), 0);
    bench.write(false, Err(HostError::new(CONFLICT, "changed"))).unwrap_err();
    assert!(bench.writes.end(POLICY).has_conflict);
    bench.writes.begin(POLICY, &key(), Left::Version(2), true);
    assert!(!bench.writes.end(POLICY).has_conflict, "each run has its own");
}

#[test]
fn nothing_is_written_without_the_leadership_or_by_a_controller_that_ended() {
    let bench = Bench::new(1_000.0);
    bench.leading.set(false);
    assert_eq!(bench.run(1, 2, true).0.unwrap_err().reason, "NotLeading");
    bench.leading.set(true);
    bench.writes.close(POLICY);
    assert_eq!(bench.run(1, 2, true).0.unwrap_err().reason, "NotLeading");
}

#[test]
fn who_wrote_too_much_waits_and_starting_anew_does_not_help() {
    let bench = Bench::new(2.0);
    for at in 0..10 {
        assert_eq!(bench.writes.wait(POLICY), Duration::ZERO, "{at}");
        bench.run(at, at + 1, false).0.unwrap();
    }
    assert!(bench.writes.wait(POLICY) > Duration::from_millis(300));
    bench.writes.open(&POLICY.into());
    assert!(bench.writes.wait(POLICY) > Duration::from_millis(300));
}

#[test]
fn a_removal_leaves_nothing_unless_a_finalizer_keeps_the_object() {
    let what =
        WrittenObject { kind: kind(), namespace: "shop".to_owned(), name: Some("a".to_owned()), is_removed: true };
    let left = |text: &str| left(&what, text).unwrap();
    assert_eq!(left(r#"{"kind":"Status","metadata":{},"status":"Success"}"#), (key(), Left::Gone));
    assert_eq!(left(&object(7)), (key(), Left::Gone), "some kinds are answered as they last were");
    let going = json!({"metadata": {
        "name": "a", "namespace": "shop", "resourceVersion": "8", "deletionTimestamp": "2026-01-01T00:00:00Z",
    }});
    assert_eq!(left(&going.to_string()), (key(), Left::Version(8)));
}
