//! Reviews and verdicts for the tests of this folder.

use std::sync::Arc;

use serde_json::{Value, json};

use super::violation::{Action, Asked, Violation};
use crate::decision::{Cause, Denial, Effect, Judged, Verdict};
use crate::policy::{Enforcement, OnError};
use crate::review::{Limits, Review, parse};

/// The creation of a Deployment, with these changes.
pub(super) fn review(changes: &Value) -> Review {
    let mut request = json!({
        "uid": "1", "operation": "CREATE", "namespace": "shop", "name": "web",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "userInfo": {"username": "jane", "uid": "u-1"}, "object": {"metadata": {"name": "web"}},
    });
    for (key, value) in changes.as_object().unwrap() {
        request[key] = value.clone();
    }
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    parse(review.to_string().into(), &Limits::default()).unwrap()
}

fn judged(verdict: Verdict) -> Judged {
    Judged { verdict, enforcement: Enforcement::Deny, on_error: OnError::Deny, exception: None }
}

pub(super) fn denied(policy: &str, messages: &[&str]) -> Judged {
    let denial = |message: &&str| Denial { message: (*message).to_owned(), ..Denial::default() };
    let effect = Effect::Deny(messages.iter().map(denial).collect());
    judged(Verdict { effect, ..Verdict::allow(policy.into()) })
}

pub(super) fn failed(policy: &str, message: &str) -> Judged {
    judged(Verdict::error(policy.into(), Cause::Exception, message))
}

/// A denial of the object `name` in the namespace `shop`.
pub(super) fn violation(policy: &str, name: &str, at: i64) -> Violation {
    let text = |text: &str| text.to_owned();
    let asked = Asked {
        api_version: text("v1"),
        kind: text("Pod"),
        namespace: text("shop"),
        name: text(name),
        operation: "CREATE",
        username: text("jane"),
        ..Asked::default()
    };
    Violation {
        policy: policy.into(),
        action: Action::Deny,
        is_failure: false,
        exception: None,
        code: 403,
        reason: text("Forbidden"),
        message: text("no"),
        asked: Arc::new(asked),
        at,
        times: 1,
    }
}

/// A catalog of policies of these names.
pub(super) fn catalog(names: &[&str]) -> crate::policy::Catalog {
    let mut revisions: Vec<_> =
        names.iter().map(|name| crate::isolate::testing::validate("").named(name).made()).collect();
    revisions.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    crate::policy::Catalog { revisions, ..crate::policy::Catalog::default() }
}
