//! The review of a case: the request that it gives, or the one that an API server would make for its object.

use serde_json::{Value, json};

use super::case::{Asked, Case, Subject};
use crate::review::{self, Limits, Review, of_manifest};

/// A request made for a case.
pub(super) struct Made {
    pub review: Review,
    /// The object as it is sent.
    pub object: Value,
    /// The namespace that the object did not name itself: what comes out may leave it out as well.
    pub filled: Option<String>,
}

/// # Errors
/// What keeps it from being a request, in words.
pub(super) fn made(case: &Case) -> Result<Made, String> {
    let (mut review, filled) = match &case.subject {
        Subject::Request(request) => (of_request(request), None),
        Subject::Object(asked) => of_object(case, asked)?,
    };
    let object = review.pointer_mut("/request/object").map(|object| object.clone()).unwrap_or_default();
    let parsed = review::parse(review.to_string().into(), &Limits::default()).map_err(|error| error.to_string())?;
    let said = &parsed.request.namespace;
    if let Some(name) = &case.namespace.name
        && name != said
    {
        let is = if said.is_empty() { "has none".to_owned() } else { format!("is of {said}") };
        return Err(format!("namespace: is {name}, but the object {is}"));
    }
    Ok(Made { review: parsed, object, filled })
}

/// What a request may leave out, as far as it can be told.
fn of_request(request: &Value) -> Value {
    let mut request = request.clone();
    if let Some(fields) = request.as_object_mut() {
        fields.entry("uid").or_insert_with(|| "00000000-0000-0000-0000-000000000000".into());
        fields.entry("operation").or_insert_with(|| "CREATE".into());
        fields.entry("userInfo").or_insert_with(|| json!({ "username": "kubernetes-admin" }));
    }
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request })
}

fn of_object(case: &Case, asked: &Asked) -> Result<(Value, Option<String>), String> {
    let Asked { object, old_object, operation, user, dry_run } = asked;
    let request = review::Asked {
        operation: *operation,
        user: &user.username,
        groups: &user.groups,
        object: object.as_ref(),
        old_object: old_object.as_ref(),
    };
    let mut review = of_manifest(&request, None).map_err(|error| error.to_string())?;
    let subject = object.as_ref().or(old_object.as_ref());
    let names_one = subject.is_some_and(|subject| subject.pointer("/metadata/namespace").is_some());
    let Some(request) = review.get_mut("request").and_then(Value::as_object_mut) else {
        return Err("there is no request".to_owned());
    };
    let is_namespaced = request.get("kind").and_then(|kind| kind.get("kind")).is_some_and(|kind| kind != "Namespace");
    let mut filled =
        request.get("namespace").and_then(Value::as_str).filter(|_| !names_one && is_namespaced).map(str::to_owned);
    if let (Some(name), Some(_)) = (&case.namespace.name, &filled) {
        request.insert("namespace".to_owned(), name.as_str().into());
        for field in ["object", "oldObject"] {
            let metadata = request.get_mut(field).and_then(|object| object.get_mut("metadata"));
            if let Some(metadata) = metadata.and_then(Value::as_object_mut) {
                metadata.insert("namespace".to_owned(), name.as_str().into());
            }
        }
        filled = Some(name.clone());
    }
    request.insert("dryRun".to_owned(), (*dry_run).into());
    if let Some(info) = request.get_mut("userInfo").and_then(Value::as_object_mut) {
        if let Some(uid) = &user.uid {
            info.insert("uid".to_owned(), uid.as_str().into());
        }
        if !user.extra.is_empty() {
            info.insert("extra".to_owned(), Value::Object(user.extra.clone()));
        }
    }
    Ok((review, filled))
}
