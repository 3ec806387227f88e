//! Events: what `kubectl get events` and `kubectl describe` show of denials, the same one counted up.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::violation::Violation;
use super::violations::timestamp;

/// Events of one namespace that are written in one go; they come one by one, and others wait meanwhile.
pub(super) const MOST_AT_ONCE: usize = 3;

/// Where Events of what has no namespace are looked for.
const OF_CLUSTER: &str = "default";

pub(super) fn namespace_of(violation: &Violation) -> &str {
    let home = violation.asked.home();
    if home.is_empty() { OF_CLUSTER } else { home }
}

/// What says the same of the same object has the same name, whichever replica saw it.
pub(super) fn name_of(violation: &Violation) -> String {
    let asked = &violation.asked;
    let mut hash = Sha256::new();
    for part in [&*violation.policy, &asked.api_version, &asked.kind, asked.home(), &asked.name, &violation.message] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let number = hash.finalize().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("bylaw-{number:016x}")
}

pub(super) fn event(violation: &Violation) -> Value {
    let asked = &violation.asked;
    let (reason, verb) = match (&violation.exception, violation.is_failure) {
        (Some(_), _) => ("PolicyExcepted", "would have refused"),
        (None, true) => ("PolicyFailed", "failed on"),
        (None, false) => ("PolicyViolation", "is violated by"),
    };
    let at = timestamp(violation.at);
    let message = format!("{} {verb} {} of {}: {}", violation.policy, asked.operation, asked.kind, violation.message);
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name_of(violation), "namespace": namespace_of(violation)},
        "involvedObject": {
            "apiVersion": asked.api_version, "kind": asked.kind, "namespace": asked.home(), "name": asked.name,
            "uid": asked.object_uid,
        },
        "type": "Warning", "reason": reason, "message": message, "count": violation.times,
        "firstTimestamp": at, "lastTimestamp": at, "source": {"component": "bylaw"},
    })
}

/// What changes where the event is there already.
pub(super) fn again(there: &Value, violation: &Violation) -> Value {
    let count = there.get("count").and_then(Value::as_u64).unwrap_or(1);
    let count = u32::try_from(count).unwrap_or(u32::MAX).saturating_add(violation.times);
    json!({"count": count.min(i32::MAX as u32), "lastTimestamp": timestamp(violation.at)})
}

#[cfg(test)]
mod tests {
    use super::super::testing::violation;
    use super::*;

    #[test]
    fn the_same_event_is_counted_up() {
        let (first, later) = (violation("a.b.c", "web", 1), violation("a.b.c", "web", 60));
        assert_eq!(name_of(&first), name_of(&later));
        assert_ne!(name_of(&first), name_of(&violation("a.b.c", "api", 1)));
        let change = again(&event(&first), &Violation { times: 4, ..later });
        assert_eq!(change, json!({"count": 5, "lastTimestamp": "1970-01-01T00:01:00Z"}));
    }

    #[test]
    fn an_event_is_where_its_object_is() {
        let told = event(&violation("a.b.c", "web", 1));
        assert_eq!(told["metadata"]["namespace"], "shop");
        assert_eq!(told["message"], "a.b.c is violated by CREATE of Pod: no");
        let mut node = violation("a.b.c", "n", 1);
        let mut asked = (*node.asked).clone();
        asked.namespace = String::new();
        node.asked = asked.into();
        assert_eq!(
            (&event(&node)["metadata"]["namespace"], &event(&node)["involvedObject"]["namespace"]),
            (&json!("default"), &json!(""))
        );
    }
}
