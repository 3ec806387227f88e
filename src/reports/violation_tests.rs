//! What is kept of a denial.

use serde_json::json;

use super::super::testing::{denied, failed, review};
use super::*;

fn one(review: &Review, judged: Judged) -> Violation {
    Violation::all(review, &[judged]).remove(0)
}

#[test]
fn a_denial_is_kept_as_jspolicy_kept_it() {
    let review = review(&json!({}));
    let violation = one(&review, denied("p.q.r", &["first", "second"]));
    assert_eq!((violation.code, &*violation.reason, &*violation.message), (403, "Forbidden", "first; second"));
    let asked = Asked {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        namespace: "shop".into(),
        name: "web".into(),
        operation: "CREATE",
        username: "jane".into(),
        user_uid: "u-1".into(),
        object_uid: String::new(),
    };
    assert_eq!((&*violation.asked, violation.action), (&asked, Action::Deny));
}

#[test]
fn a_failure_is_500_without_a_reason() {
    let violation = one(&review(&json!({})), failed("p.q.r", "boom"));
    assert!(violation.is_failure);
    assert_eq!((violation.code, &*violation.reason, &*violation.message), (500, "", "boom"));
}

#[test]
fn an_object_has_a_uid_once_it_exists() {
    let object = json!({"metadata": {"uid": "o-1"}});
    let created = review(&json!({"object": object}));
    assert_eq!(one(&created, denied("p.q.r", &["no"])).asked.object_uid, "", "it never came to be");
    let updated = review(&json!({"operation": "UPDATE", "object": object, "oldObject": object}));
    assert_eq!(one(&updated, denied("p.q.r", &["no"])).asked.object_uid, "o-1");
}

#[test]
fn a_long_message_is_cut_where_jspolicy_cut_it_but_between_characters() {
    assert_eq!(message_of(&"x".repeat(256)).len(), 256);
    assert_eq!(message_of(&"x".repeat(257)), format!("{}...", "x".repeat(253)));
    let cut = message_of(&"ä".repeat(200));
    assert!(cut.ends_with("ä...") && cut.len() <= 256, "{}", cut.len());
    assert_eq!(message_of("a\u{1b}[31m\nb"), "a [31m\nb");
}

#[test]
fn what_a_policy_quotes_of_a_secret_is_not_kept() {
    let secret = json!({
        "kind": {"group": "", "version": "v1", "kind": "Secret"},
        "resource": {"group": "", "version": "v1", "resource": "secrets"},
        "object": {"apiVersion": "v1", "kind": "Secret", "stringData": {"password": "hunter22"}},
    });
    let violation = one(&review(&secret), denied("p.q.r", &["hunter22 is too short"]));
    assert_eq!(violation.message, "(hidden) is too short");
}

#[test]
fn a_namespace_is_at_home_in_the_cluster() {
    let asked = |api_version: &str, kind: &str| Asked {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: "shop".into(),
        ..Asked::default()
    };
    assert_eq!((asked("v1", "Namespace").home(), asked("v1", "Pod").home()), ("", "shop"));
}
