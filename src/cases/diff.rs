//! Where two values differ, in the words of a policy's author: fields with what was expected and what came.

use serde::Serialize;
use serde_json::Value;

use crate::decision::{DiffLimits, PatchOp, apply, diff};

/// One difference. Without `expected` it came unasked, without `got` it is missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Such as `spec.containers[0].image`.
    pub field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<Value>,
}

/// Whether two values are equal; 1 and 1.0 are, and the order of keys does not count.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64().is_some_and(|number| right.as_f64() == Some(number) && number.abs() < 9e15)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        _ => left == right,
    }
}

/// The fewest changes that make `got` of `expected`. None where there are too many to be read.
pub(super) fn changes(expected: &Value, got: &Value) -> Vec<Change> {
    let limits = DiffLimits { ops: 200, ..DiffLimits::default() };
    let Ok(operations) = diff(expected, got, limits) else { return Vec::new() };
    // Each operation is about what the ones before it left.
    let mut current = expected.clone();
    let mut changes = Vec::with_capacity(operations.len());
    for operation in operations {
        let before = current.pointer(operation.path()).cloned();
        let (expected, got) = match &operation {
            PatchOp::Add { value, .. } => (None, Some(value.clone())),
            PatchOp::Remove { .. } => (before, None),
            PatchOp::Replace { value, .. } => (before, Some(value.clone())),
        };
        let is_told = !expected.as_ref().zip(got.as_ref()).is_some_and(|(expected, got)| same(expected, got));
        if is_told {
            changes.push(Change { field: field(&current, operation.path()), expected, got });
        }
        if apply(std::slice::from_ref(&operation), &mut current).is_err() {
            break;
        }
    }
    changes
}

/// The field of a JSON pointer into `value`, as denials name fields.
fn field(value: &Value, pointer: &str) -> String {
    let mut field = String::new();
    let mut at = Some(value);
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        let is_index = at.is_some_and(Value::is_array);
        at = at.and_then(|at| match at {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            other => other.get(&name),
        });
        let is_plain =
            name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_' || character == '-');
        if is_index || !is_plain {
            field.extend(["[", &name, "]"]);
        } else {
            if !field.is_empty() {
                field.push('.');
            }
            field.push_str(&name);
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_name_their_field_and_both_sides() {
        let expected =
            json!({"metadata": {"labels": {"a/b": "1"}}, "spec": {"list": [{"name": "a", "x": 1}, {"name": "b"}]}});
        let got =
            json!({"metadata": {"labels": {"a/b": "2"}}, "spec": {"list": [{"name": "a", "x": 1}], "more": true}});
        let told: Vec<Value> = changes(&expected, &got).iter().map(|change| json!(change)).collect();
        let wanted = json!([
            {"field": "metadata.labels[a/b]", "expected": "1", "got": "2"},
            {"field": "spec.list[1]", "expected": {"name": "b"}},
            {"field": "spec.more", "got": true},
        ]);
        assert_eq!(json!(told), wanted);
    }

    #[test]
    fn numbers_are_equal_however_they_are_written() {
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert!(same(&parsed("[1.0, {\"a\": 2}]"), &parsed("[1, {\"a\": 2.0}]")));
        assert!(!same(&parsed("1"), &parsed("2")));
        assert!(!same(&parsed("9007199254740993"), &parsed("9007199254740992")));
        assert!(!same(&parsed("\"1\""), &parsed("1")));
        assert_eq!(changes(&parsed("{\"a\": 1.0}"), &parsed("{\"a\": 1}")), []);
    }
}
