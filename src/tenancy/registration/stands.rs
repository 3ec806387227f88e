//! Whether an object in a virtual cluster does what it should: all that is wanted is in it, and nothing beside that weakens it.

use serde_json::Value;

use super::desired::Wanted;
use crate::operator::webhooks;

/// By what a policy or its binding would be narrowed, where ours have nothing.
const NARROWING: [&str; 9] = [
    "/spec/matchConditions",
    "/spec/paramKind",
    "/spec/paramRef",
    "/spec/matchResources",
    "/spec/matchConstraints/excludeResourceRules",
    "/spec/matchConstraints/namespaceSelector",
    "/spec/matchConstraints/objectSelector",
    "/spec/variables",
    "/metadata/deletionTimestamp",
];

pub(super) fn stands(wanted: &Wanted, observed: &Value) -> bool {
    if wanted.is_configuration() {
        return webhooks::stands(&wanted.object, observed) && webhooks::is_clean(&wanted.object, observed);
    }
    let is_empty = |pointer: &&str| match observed.pointer(pointer) {
        None | Some(Value::Null) => true,
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    NARROWING.iter().all(is_empty) && has(&wanted.object, observed)
}

/// Whether all of `wanted` is in `observed`; lists are the same to the last.
fn has(wanted: &Value, observed: &Value) -> bool {
    match (wanted, observed) {
        (Value::Object(wanted), Value::Object(observed)) => {
            wanted.iter().all(|(key, value)| observed.get(key).is_some_and(|found| has(value, found)))
        }
        (Value::Array(wanted), Value::Array(observed)) => {
            wanted.len() == observed.len() && wanted.iter().zip(observed).all(|(wanted, found)| has(wanted, found))
        }
        _ => wanted == observed,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy() -> Wanted {
        let object = json!({
            "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"},
            "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [{"operations": ["DELETE"]}]}},
        });
        Wanted { path: "/p".to_owned(), object }
    }

    #[test]
    fn what_an_api_server_fills_in_takes_nothing_away() {
        let mut observed = policy().object;
        observed["metadata"]["uid"] = json!("1");
        observed["spec"]["matchConstraints"]["matchPolicy"] = json!("Equivalent");
        observed["spec"]["matchConstraints"]["namespaceSelector"] = json!({});
        observed["spec"]["matchConstraints"]["resourceRules"][0]["scope"] = json!("*");
        assert!(stands(&policy(), &observed));
    }

    #[test]
    fn what_weakens_it_is_seen() {
        for (pointer, value) in [
            ("/spec/failurePolicy", json!("Ignore")),
            ("/spec/matchConstraints/resourceRules", json!([])),
            ("/spec/matchConstraints/resourceRules/0/operations", json!(["CREATE"])),
        ] {
            let mut observed = policy().object;
            *observed.pointer_mut(pointer).unwrap() = value;
            assert!(!stands(&policy(), &observed), "{pointer}");
        }
        let mut narrowed = policy().object;
        narrowed["spec"]["matchConditions"] = json!([{"name": "never", "expression": "false"}]);
        assert!(!stands(&policy(), &narrowed));
        assert!(!stands(&policy(), &json!({})) && !stands(&policy(), &json!(["a liar"])));
    }
}
