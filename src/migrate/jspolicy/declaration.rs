//! The fields of a JsPolicy's `spec` as the declaration of a module, and what of them has no place there.

use serde_json::Value;

/// What the fields came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Declaration {
    /// Lines of the object that `policy` is given, without the handler and the permissions.
    pub lines: Vec<String>,
    /// Permissions that the policy names itself stand over those that it is seen to use.
    pub permissions: Option<String>,
    pub notes: Vec<String>,
}

/// Fields that belong to the server, or to the object in the cluster.
const ELSEWHERE: [(&str, &str); 5] = [
    ("auditPolicy", "has no counterpart in a module"),
    ("auditLogSize", "has no counterpart in a module"),
    ("reinvocationPolicy", "is a matter of the webhook's registration"),
    ("background", "is a matter of the JsPolicy object"),
    ("limits", "is a matter of the JsPolicy object"),
];

/// Words of severity that a module knows.
const SEVERITIES: [&str; 5] = ["info", "low", "medium", "high", "critical"];

pub(super) fn declaration(name: &str, object: &Value) -> Declaration {
    let mut made = Declaration { lines: vec![format!("name: {name:?},")], ..Declaration::default() };
    let empty = Value::Object(serde_json::Map::new());
    let spec = object.get("spec").unwrap_or(&empty);
    let annotation = |key: &str| object.pointer("/metadata/annotations")?.get(key)?.as_str();
    if let Some(category) = annotation("policy.jspolicy.com/category") {
        made.lines.push(format!("category: {category:?},"));
    }
    if let Some(severity) = annotation("policy.jspolicy.com/severity") {
        let severity = if SEVERITIES.contains(&severity) { severity } else { "high" };
        made.lines.push(format!("severity: {severity:?},"));
    }
    made.lines.push(format!("match: {},", rules(spec)));
    if let Some(word) = text(spec, "violationPolicy").filter(|word| !word.eq_ignore_ascii_case("deny")) {
        let meant = if word.eq_ignore_ascii_case("warn") { "Warn" } else { "Dry" };
        made.lines.push(format!("enforcement: {meant:?},"));
    }
    for field in ["onError", "isolation"] {
        if let Some(word) = text(spec, field) {
            made.lines.push(format!("{field}: {word:?},"));
        }
    }
    for field in ["timeoutSeconds", "priority"] {
        if let Some(number) = spec.get(field).and_then(Value::as_i64) {
            made.lines.push(format!("{field}: {number},"));
        }
    }
    made.permissions = spec.get("permissions").filter(|given| given.is_object()).map(|given| typescript(given, 0));
    if text(spec, "failurePolicy") == Some("Ignore") {
        made.notes.push("failurePolicy: Ignore is a matter of the webhook's registration: say it there".to_owned());
    }
    for (field, why) in ELSEWHERE {
        if spec.get(field).is_some_and(|value| !value.is_null()) {
            made.notes.push(format!("{field} {why}"));
        }
    }
    made
}

fn text<'v>(spec: &'v Value, field: &str) -> Option<&'v str> {
    spec.get(field).and_then(Value::as_str).filter(|word| !word.is_empty())
}

fn rules(spec: &Value) -> String {
    let mut fields = Vec::new();
    let is_all =
        |value: &Value| value.as_array().is_none_or(|list| list.is_empty() || list.iter().any(|one| one == "*"));
    for field in ["resources", "operations", "apiGroups", "apiVersions"] {
        let given = spec.get(field).filter(|value| field == "resources" || !is_all(value));
        if let Some(value) = given {
            fields.push(format!("{field}: {}", typescript(value, 0)));
        }
    }
    if let Some(scope) = text(spec, "scope").filter(|scope| *scope != "*") {
        fields.push(format!("scope: {scope:?}"));
    }
    for field in ["namespaceSelector", "objectSelector", "matchConditions", "workloads", "tenants"] {
        if let Some(value) =
            spec.get(field).filter(|value| !value.is_null() && **value != Value::Object(serde_json::Map::new()))
        {
            fields.push(format!("{field}: {}", typescript(value, 0)));
        }
    }
    for field in ["matchPolicy", "vantage"] {
        if let Some(word) = text(spec, field).filter(|word| *word != "Equivalent") {
            fields.push(format!("{field}: {word:?}"));
        }
    }
    let line = format!("{{ {} }}", fields.join(", "));
    if line.len() <= 100 { line } else { format!("{{\n    {},\n  }}", fields.join(",\n    ")) }
}

/// A value as TypeScript writes it.
pub(super) fn typescript(value: &Value, depth: u32) -> String {
    match value {
        Value::Object(map) if depth < 32 => {
            let is_name = |key: &str| {
                key.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
                    && key.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            };
            let fields: Vec<String> = map
                .iter()
                .map(|(key, value)| {
                    let key = if is_name(key) { key.clone() } else { Value::from(key.as_str()).to_string() };
                    format!("{key}: {}", typescript(value, depth + 1))
                })
                .collect();
            if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
        }
        Value::Array(list) if depth < 32 => {
            let items: Vec<String> = list.iter().map(|item| typescript(item, depth + 1)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fields_of_a_manifest_become_those_of_a_module() {
        let object = json!({
            "metadata": {"annotations": {"policy.jspolicy.com/category": "Net", "policy.jspolicy.com/severity": "grave"}},
            "spec": {
                "operations": ["CREATE"], "resources": ["pods"], "apiGroups": ["*"], "scope": "*",
                "objectSelector": {"matchLabels": {"a.b/c": "d"}}, "violationPolicy": "warn", "timeoutSeconds": 3,
                "failurePolicy": "Ignore", "auditLogSize": 5, "matchPolicy": "Exact",
            },
        });
        let made = declaration("a.b.c", &object);
        assert_eq!(
            made.lines,
            [
                "name: \"a.b.c\",",
                "category: \"Net\",",
                "severity: \"high\",",
                "match: {\n    resources: [\"pods\"],\n    operations: [\"CREATE\"],\n    \
                 objectSelector: { matchLabels: { \"a.b/c\": \"d\" } },\n    matchPolicy: \"Exact\",\n  },",
                "enforcement: \"Warn\",",
                "timeoutSeconds: 3,",
            ]
        );
        assert_eq!(made.notes.len(), 2, "{:?}", made.notes);
    }

    #[test]
    fn every_operation_is_none_in_particular() {
        let made = declaration("a.b.c", &json!({"spec": {"operations": ["*"], "resources": ["*"]}}));
        assert_eq!(made.lines, ["name: \"a.b.c\",", "match: { resources: [\"*\"] },"]);
    }
}
