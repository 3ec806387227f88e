//! `JsPolicyViolations`: one object for each policy, of its name, owned by it, with the last violations in its status.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::json::{filled, set};
use super::violation::Violation;

pub(super) const API_VERSION: &str = "policy.jspolicy.com/v1beta1";

/// The object before it has a status. `owner` is the `JsPolicy` as it is stored, where the policy comes from one.
pub(super) fn new_object(policy: &str, owner_uid: Option<&str>) -> Value {
    let mut metadata = json!({"name": policy});
    if let Some(uid) = owner_uid {
        let owner = json!({
            "apiVersion": API_VERSION, "kind": "JsPolicy", "name": policy, "uid": uid, "controller": true,
        });
        set(&mut metadata, "ownerReferences", vec![owner]);
    }
    json!({"apiVersion": API_VERSION, "kind": "JsPolicyViolations", "metadata": metadata})
}

/// `status.violations`: what is there and what is new, the oldest first, no more than `keep` of them.
pub(super) fn merged(there: &Value, new: &[Violation], keep: usize) -> Value {
    let known = there.pointer("/status/violations").and_then(Value::as_array);
    let mut entries: Vec<Value> = known.cloned().unwrap_or_default();
    for violation in new {
        let entry = entry(violation);
        entries.retain(|known| !is_same(known, &entry));
        entries.push(entry);
    }
    // Other replicas wrote meanwhile: what they saw may be newer.
    entries.sort_by_key(|entry| entry.get("timestamp").and_then(Value::as_str).and_then(seconds));
    let surplus = entries.len().saturating_sub(keep);
    Value::from(entries.split_off(surplus))
}

fn entry(violation: &Violation) -> Value {
    let asked = &violation.asked;
    let mut entry = filled([("action", violation.action.as_str())]);
    entry.insert("code".to_owned(), violation.code.into());
    entry.extend(filled([("reason", &*violation.reason), ("message", &violation.message)]));
    let request = [
        ("name", &*asked.name),
        ("namespace", &asked.namespace),
        ("kind", &asked.kind),
        ("apiVersion", &asked.api_version),
        ("operation", asked.operation),
    ];
    entry.insert("requestInfo".to_owned(), Value::Object(filled(request)));
    let user = [("username", &*asked.username), ("uid", &asked.user_uid)];
    entry.insert("userInfo".to_owned(), Value::Object(filled(user)));
    entry.insert("timestamp".to_owned(), timestamp(violation.at).into());
    Value::Object(entry)
}

/// The same but for when.
fn is_same(one: &Value, other: &Value) -> bool {
    let fields = ["action", "code", "reason", "message", "requestInfo", "userInfo"];
    // A field that is empty is left out or not, as whoever wrote it liked.
    let of = |value: &Value, field: &str| value.get(field).filter(|value| **value != json!("")).cloned();
    fields.iter().all(|field| of(one, field) == of(other, field))
}

/// As the API server writes times.
pub(super) fn timestamp(seconds: i64) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn seconds(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::super::testing::violation;
    use super::*;

    fn status(entries: &Value) -> Value {
        json!({"status": {"violations": entries}})
    }

    fn names(entries: &Value) -> Vec<&str> {
        entries.as_array().unwrap().iter().map(|entry| entry["requestInfo"]["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn an_entry_has_the_shape_that_jspolicy_gave_it() {
        let entries = merged(&Value::Null, &[violation("a.b.c", "web", 1_700_000_000)], 20);
        let expected = json!([{
            "action": "Deny", "code": 403, "reason": "Forbidden", "message": "no",
            "requestInfo": {"name": "web", "namespace": "shop", "kind": "Pod", "apiVersion": "v1", "operation": "CREATE"},
            "userInfo": {"username": "jane"}, "timestamp": "2023-11-14T22:13:20Z",
        }]);
        assert_eq!(entries.to_string(), expected.to_string());
    }

    #[test]
    fn the_object_belongs_to_its_policy_where_that_is_in_the_cluster() {
        let owned = new_object("a.b.c", Some("u-1"));
        assert_eq!(owned["metadata"]["ownerReferences"][0]["uid"], "u-1");
        assert_eq!(new_object("a.b.c", None)["metadata"], json!({"name": "a.b.c"}));
    }

    #[test]
    fn the_oldest_go_first_whoever_wrote_them() {
        let there = merged(&Value::Null, &[violation("p", "a", 10), violation("p", "c", 30)], 20);
        let mine = [violation("p", "b", 20), violation("p", "d", 40)];
        assert_eq!(names(&merged(&status(&there), &mine, 20)), ["a", "b", "c", "d"]);
        assert_eq!(names(&merged(&status(&there), &mine, 3)), ["b", "c", "d"]);
    }

    #[test]
    fn what_is_said_again_is_there_once_with_its_last_time() {
        let there = merged(&Value::Null, &[violation("p", "a", 10), violation("p", "b", 20)], 20);
        let again = merged(&status(&there), &[violation("p", "a", 30)], 20);
        assert_eq!(names(&again), ["b", "a"]);
        assert_eq!(again[1]["timestamp"], timestamp(30));
    }

    #[test]
    fn what_others_wrote_there_does_no_harm() {
        let there = status(&json!([{"timestamp": 7}, null, {"requestInfo": "x", "timestamp": "yesterday"}]));
        assert_eq!(merged(&there, &[violation("p", "a", 10)], 20).as_array().unwrap().len(), 4);
        let no_list = status(&json!("x"));
        assert_eq!(names(&merged(&no_list, &[violation("p", "a", 10)], 20)), ["a"]);
    }
}
