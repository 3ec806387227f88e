use serde_json::json;

use super::*;
use crate::decision::Status;
use crate::review::{Limits, parse};

fn place(name: &str) -> Place {
    ("vc-one".into(), name.into())
}

fn attempt(uid: &str) -> Attempt {
    Attempt::new(place("dev"), uid, "validate").unwrap()
}

fn denial(message: &str) -> Decision {
    let status = Status { code: 403, reason: None, message: message.to_owned(), causes: Vec::new() };
    Decision { status: Some(status), ..Decision::default() }
}

const SENT: Print = [7; 32];

/// One answer kept, and what is known of it after so many seconds.
fn after(is_pure: bool) -> (Denials, impl Fn(&Denials, f64) -> &'static str) {
    let (denials, start) = (Denials::default(), Instant::now());
    denials.keep(attempt("a"), SENT, 1, &denial("no"), is_pure, start);
    let known = move |denials: &Denials, seconds: f64| match denials.known(
        &attempt("a"),
        || Some(SENT),
        1,
        start + Duration::from_secs_f64(seconds),
    ) {
        Known::Nothing => "nothing",
        Known::Refused(_) => "refused",
        Known::RefusedBefore(_) => "before",
    };
    (denials, known)
}

#[test]
fn the_same_object_gets_the_same_answer_for_a_while() {
    let (denials, known) = after(true);
    assert_eq!((known(&denials, 0.1), known(&denials, 29.0)), ("refused", "refused"));
    assert_eq!(known(&denials, 31.0), "nothing", "it is found anew");
    assert_eq!(known(&denials, 601.0), "nothing");
}

#[test]
fn an_answer_is_for_what_was_sent_and_what_was_in_force_alone() {
    let start = Instant::now();
    let denials = Denials::default();
    let keep = || denials.keep(attempt("a"), SENT, 1, &denial("no"), true, start);
    let known = |attempt: &Attempt, print: Option<Print>, epoch: u64| denials.known(attempt, || print, epoch, start);
    keep();
    assert_eq!(known(&attempt("a"), Some(SENT), 1), Known::Refused(Arc::new(denial("no"))));
    assert_eq!(known(&attempt("a"), Some([8; 32]), 1), Known::Nothing);
    assert_eq!(known(&attempt("a"), None, 1), Known::Nothing);
    assert_eq!(known(&attempt("b"), Some(SENT), 1), Known::Nothing);
    let mutating = Attempt::new(place("dev"), "a", "mutate").unwrap();
    assert_eq!(known(&mutating, Some(SENT), 1), Known::Nothing);
    let other = Attempt::new(place("other"), "a", "validate").unwrap();
    assert_eq!(known(&other, Some(SENT), 1), Known::Nothing);
    assert_eq!(known(&attempt("a"), Some(SENT), 2), Known::Nothing, "another set of policies");
    assert_eq!(known(&attempt("a"), Some(SENT), 1), Known::Nothing, "it is forgotten then");
}

#[test]
fn a_storm_of_one_tenant_is_answered_by_what_is_known() {
    let (denials, known) = after(false);
    let asked = (0..100).filter(|_| known(&denials, 1.0) == "nothing").count();
    assert_eq!(asked, 20, "what depends on the world is found anew, within bounds");
    assert_eq!(known(&denials, 1.0), "before");
    assert_eq!((0..100).filter(|_| known(&denials, 2.0) == "nothing").count(), 5);
    // Nobody else waits for it.
    let start = Instant::now();
    let other = Attempt::new(place("other"), "a", "validate").unwrap();
    denials.keep(other.clone(), SENT, 1, &denial("no"), false, start);
    assert_eq!(denials.known(&other, || Some(SENT), 1, start), Known::Nothing);
}

#[test]
fn what_is_kept_has_bounds() {
    let (denials, now) = (Denials::default(), Instant::now());
    denials.keep(attempt("large"), SENT, 1, &denial(&"x".repeat(LARGEST + 1)), true, now);
    denials.keep(attempt("good"), SENT, 1, &Decision::allow(), true, now);
    assert_eq!(denials.entries.lock().unwrap().len(), 0);
    for index in 0..MOST.get() + 10 {
        denials.keep(attempt(&index.to_string()), SENT, 1, &denial("no"), true, now);
    }
    assert_eq!(denials.entries.lock().unwrap().len(), MOST.get());
    for index in 0..MOST_TENANTS + 10 {
        denials.may_ask(&place(&index.to_string()), now);
    }
    assert!(denials.buckets.lock().unwrap().len() <= MOST_TENANTS);
    assert_eq!(Attempt::new(place("dev"), "", "validate"), None);
    assert_eq!(Attempt::new(place("dev"), &"u".repeat(LONGEST_UID + 1), "validate"), None);
}

fn review(change: impl FnOnce(&mut Value)) -> Review {
    let mut object = json!({
        "metadata": {
            "name": "web-x-team-a-x-dev", "uid": "1", "creationTimestamp": "2026-11-20T21:51:55Z",
            "managedFields": [{"time": "2026-11-20T21:51:55Z"}], "annotations": {"a": "b", "vcluster.loft.sh/token-aaaaaaaa": "x"},
        },
        "spec": {"volumes": [{"projected": {"sources": [{"downwardAPI": {"items": [
            {"path": "token", "fieldRef": {"fieldPath": "metadata.annotations['vcluster.loft.sh/token-aaaaaaaa']"}}
        ]}}]}}]},
    });
    change(&mut object);
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "operation": "CREATE", "namespace": "vc-one", "kind": {"version": "v1", "kind": "Pod"},
        "resource": {"version": "v1", "resource": "pods"}, "object": object,
    }});
    parse(body.to_string().into(), &Limits::default()).unwrap()
}

#[test]
fn what_is_new_in_each_attempt_makes_no_difference() {
    let of = |change: fn(&mut Value)| print(&review(change), &[]).unwrap();
    let first = of(|_| {});
    let again = of(|object| {
        object["metadata"]["uid"] = "2".into();
        object["metadata"]["creationTimestamp"] = "2026-11-20T21:51:56Z".into();
        object["metadata"]["managedFields"][0]["time"] = "2026-11-20T21:51:56Z".into();
        object["metadata"]["annotations"] = json!({"a": "b", "vcluster.loft.sh/token-bbbbbbbb": "y"});
        let field = "metadata.annotations['vcluster.loft.sh/token-bbbbbbbb']";
        object["spec"]["volumes"][0]["projected"]["sources"][0]["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"] =
            field.into();
    });
    assert_eq!(first, again);
    assert_ne!(first, of(|object| object["metadata"]["annotations"]["a"] = "c".into()));
    assert_ne!(first, of(|object| object["spec"]["hostNetwork"] = true.into()));
    assert_ne!(print(&review(|_| {}), &["labels"]), Some(first));
}
