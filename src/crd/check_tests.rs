// `json!` reads better without `&`.
#![allow(clippy::needless_pass_by_value)]

use serde_json::json;

use super::*;
use crate::review::{Limits, Review, parse};

fn review(operation: &str, kind: &str, sub_resource: &str, object: Value, old: Value) -> Review {
    let group = if kind == "PolicyException" { "bylaw.dev" } else { "policy.jspolicy.com" };
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "operation": operation, "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": kind.to_lowercase()}, "subResource": sub_resource,
        "object": object, "oldObject": old,
    }});
    parse(body.to_string().into(), &Limits::default()).unwrap()
}

fn told(operation: &str, kind: &str, sub_resource: &str, object: Value, old: Value) -> Vec<String> {
    let now = "2026-11-01T00:00:00Z".parse().unwrap();
    let review = review(operation, kind, sub_resource, object, old);
    faults(&review.request, now).iter().map(ToString::to_string).collect()
}

fn policy(javascript: &str) -> Value {
    let spec = json!({"operations": ["CREATE"], "resources": ["pods"], "javascript": javascript});
    json!({"metadata": {"name": "a.b.c"}, "spec": spec})
}

const NONE: [&str; 0] = [];

#[test]
fn a_policy_that_cannot_be_parsed_is_refused_new_or_edited() {
    for (operation, old) in [("CREATE", Value::Null), ("UPDATE", policy("deny()"))] {
        let found = told(operation, "JsPolicy", "", policy("deny(;"), old);
        assert!(found[0].starts_with("spec.javascript: line 1, column 6: "), "{found:?}");
    }
    assert_eq!(told("CREATE", "JsPolicy", "", policy("deny()"), Value::Null), NONE);
}

#[test]
fn what_is_stored_already_may_get_rid_of_a_finalizer_an_owner_or_itself() {
    let broken = policy("deny(;");
    let mut labelled = broken.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(told("UPDATE", "JsPolicy", "", labelled, broken.clone()), NONE);
    let mut leaving = policy("other(;");
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-01T00:00:00Z");
    assert_eq!(told("UPDATE", "JsPolicy", "", leaving, broken.clone()), NONE);
    assert_eq!(told("DELETE", "JsPolicy", "", Value::Null, broken.clone()), NONE);
    assert_eq!(told("UPDATE", "JsPolicy", "status", broken, policy("deny()")), NONE);
}

#[test]
fn the_type_of_a_policy_cannot_be_changed() {
    let of = |kind: &str| {
        let mut object = policy("1");
        object["spec"]["type"] = kind.into();
        object
    };
    let found = told("UPDATE", "JsPolicy", "", of("Mutating"), of("Validating"));
    assert_eq!(found, ["spec.type: cannot be changed; make a policy with another name"]);
    assert_eq!(told("UPDATE", "JsPolicy", "", of(""), of("Validating")), NONE);
    assert_eq!(told("UPDATE", "JsPolicy", "", of("Validating"), policy("2")), NONE);
}

#[test]
fn a_bundle_that_is_none_is_refused() {
    let found = told("CREATE", "JsPolicyBundle", "", json!({"spec": {"bundle": "aGk="}}), Value::Null);
    assert!(found[0].starts_with("spec.bundle: is base64, but not of a gzip stream"), "{found:?}");
}

#[test]
fn an_exception_must_end_and_name_policies_in_full() {
    let of = |expires: &str, policy: &str| json!({"spec": {"expires": expires, "policies": [policy]}});
    let at = |expires: &str| told("CREATE", "PolicyException", "", of(expires, "a.b.c"), Value::Null);
    assert_eq!(at("2026-11-01T00:00:01Z"), NONE);
    assert_eq!(at("2026-11-01T00:00:00Z"), ["spec.expires: is over already; say until when it holds"]);
    assert_eq!(at("never"), ["spec.expires: must be a time such as 2030-01-31T00:00:00Z"]);
    let short = told("CREATE", "PolicyException", "", of("2027-01-01T00:00:00Z", "pods"), Value::Null);
    assert!(short[0].starts_with("spec.policies[0]: must be the name of a policy in full"), "{short:?}");
    let ended = of("2026-01-01T00:00:00Z", "a.b.c");
    assert_eq!(told("UPDATE", "PolicyException", "", ended.clone(), ended), NONE, "one that is over may be labelled");
}

#[test]
fn objects_of_others_are_no_business_of_ours() {
    let mut review = review("CREATE", "JsPolicy", "", policy("deny(;"), Value::Null);
    review.request.kind.group = "example.com".to_owned();
    assert!(faults(&review.request, Timestamp::now()).is_empty());
}
