//! What is wrong with an object of ours, if it is new or its `spec` was changed.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::policy::{FieldError, check_bundle, check_policy, check_tenant_policy, is_policy_name};
use crate::review::{AdmissionRequest, JsonText, Operation};

use super::GROUPS;

/// What keeps an object from being stored; nothing where it may be.
///
/// Who leaves the `spec` alone is let through: what is stored already may always get an annotation, an owner, or rid of a
/// finalizer. So are deletions and writes of the status.
pub(super) fn faults(request: &AdmissionRequest, now: Timestamp) -> Vec<FieldError> {
    let is_ours = GROUPS.contains(&request.kind.group.as_str());
    let writes = matches!(request.operation, Operation::Create | Operation::Update);
    if !is_ours || !writes || !request.sub_resource.is_empty() {
        return Vec::new();
    }
    let (object, old) = match (read(request.object.as_ref()), read(request.old_object.as_ref())) {
        (Ok(object), Ok(old)) => (object, old),
        (Err(error), _) | (_, Err(error)) => return vec![fault("(the whole)", error)],
    };
    let is_leaving = object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
    if is_leaving || (request.operation == Operation::Update && object.get("spec") == old.get("spec")) {
        return Vec::new();
    }
    match request.kind.kind.as_str() {
        "JsPolicy" => {
            let mut faults = check_policy(&object);
            faults.extend((request.operation == Operation::Update).then(|| changed_type(&object, &old)).flatten());
            faults
        }
        "JsPolicyBundle" => check_bundle(&object),
        "TenantPolicy" => check_tenant_policy(&object),
        "PolicyException" => exception(&object, now),
        _ => Vec::new(),
    }
}

fn fault(field: &str, message: impl Into<String>) -> FieldError {
    FieldError { field: field.to_owned(), message: message.into() }
}

fn read(text: Option<&JsonText>) -> Result<Value, String> {
    match text {
        Some(text) => serde_json::from_str(text.as_str()).map_err(|error| format!("cannot be read: {error}")),
        None => Ok(Value::Null),
    }
}

/// jsPolicy's rule: the configuration of the one type would stay behind.
fn changed_type(object: &Value, old: &Value) -> Option<FieldError> {
    let of = |object: &Value| {
        let kind = object.pointer("/spec/type").and_then(Value::as_str).unwrap_or_default();
        if kind.is_empty() { "Validating".to_owned() } else { kind.to_owned() }
    };
    (of(object) != of(old)).then(|| fault("spec.type", "cannot be changed; make a policy with another name"))
}

fn exception(object: &Value, now: Timestamp) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let expires = object.pointer("/spec/expires").and_then(Value::as_str).unwrap_or_default();
    match expires.parse::<Timestamp>() {
        Err(_) => faults.push(fault("spec.expires", "must be a time such as 2030-01-31T00:00:00Z")),
        Ok(expires) if expires <= now => faults.push(fault("spec.expires", "is over already; say until when it holds")),
        Ok(_) => {}
    }
    let policies = object.pointer("/spec/policies").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (index, policy) in policies.iter().enumerate() {
        if !policy.as_str().is_some_and(is_policy_name) {
            let message = "must be the name of a policy in full, such as `no-privileged.pods.example.com`";
            faults.push(fault(&format!("spec.policies[{index}]"), message));
        }
    }
    faults
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
