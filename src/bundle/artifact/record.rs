//! What a bundle says of itself: its policies, its packages, what the lint found. Taken from the script when the bundle is
//! made; whoever relies on it looks into the script again and compares.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::npm::Lock;

/// All that is written beside the script.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The version of Bylaw that made it.
    pub engine: String,
    pub policies: Vec<PolicyRecord>,
    /// Name, version and integrity of every package.
    #[serde(default, skip_serializing_if = "Lock::is_empty")]
    pub lock: Lock,
    /// What the script keeps from one request to the next, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lint: Vec<String>,
}

/// One policy, by its own declaration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyRecord {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handlers: Vec<String>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub r#match: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub permissions: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
}

impl PolicyRecord {
    /// Of what the engine saw a module declare.
    #[must_use]
    pub fn of(declared: &Value) -> Self {
        let text = |field: &str| declared.get(field).and_then(Value::as_str).map(str::to_owned);
        let value = |field: &str| declared.get(field).cloned().unwrap_or_default();
        let handlers = declared.get("handlers").and_then(Value::as_array).into_iter().flatten();
        Self {
            name: text("name").unwrap_or_default(),
            title: text("title"),
            handlers: handlers.filter_map(Value::as_str).map(str::to_owned).collect(),
            r#match: value("match"),
            permissions: value("permissions"),
            isolation: text("isolation"),
        }
    }

    /// `read v1/ConfigMap`, one for each thing that it may do.
    #[must_use]
    pub fn asks(&self) -> Vec<String> {
        let granted = self.permissions.as_object().into_iter().flatten();
        let each = |(right, what): (&String, &Value)| match what {
            Value::Array(items) => {
                items.iter().filter_map(|item| Some(format!("{right} {}", item.as_str()?))).collect()
            }
            Value::Bool(true) => vec![right.clone()],
            Value::String(text) => vec![format!("{right} {text}")],
            _ => Vec::new(),
        };
        granted.flat_map(each).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_names_every_right_that_a_policy_asks_for() {
        let declared = json!({
            "name": "a.b.c", "handlers": ["validate"], "match": {"resources": ["pods"]},
            "permissions": {"read": ["v1/ConfigMap", "v1/Secret"], "codegen": true, "net": []},
        });
        let record = PolicyRecord::of(&declared);
        assert_eq!(record.asks(), ["read v1/ConfigMap", "read v1/Secret", "codegen"]);
        let again: PolicyRecord = serde_json::from_value(serde_json::to_value(&record).unwrap()).unwrap();
        assert_eq!(again, record);
        assert!(PolicyRecord::of(&json!("x")).asks().is_empty());
    }
}
