//! Whether a configuration in the cluster does what it should. Not whether it is the same: API servers fill in defaults,
//! and some clouds leave out namespaces of their own in every webhook. Writing over that again and again helps nobody.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// Keys by which clouds keep webhooks away from their own namespaces.
const CLOUDS_OWN: [&str; 2] = ["control-plane", "kubernetes.azure.com/managedby"];

/// What an API server takes for granted where nothing is said.
const DEFAULTS: [(&str, &str); 3] =
    [("objectSelector", "{}"), ("matchConditions", "[]"), ("reinvocationPolicy", "\"Never\"")];

/// Whether every webhook of `desired` is there as it should be.
#[must_use]
pub fn stands(desired: &Value, observed: &Value) -> bool {
    let labels = |object: &Value| object.pointer("/metadata/labels").cloned().unwrap_or_default();
    let (wanted, there) = (labels(desired), labels(observed));
    let has_label = |(name, value): (&String, &Value)| there.get(name) == Some(value);
    if !wanted.as_object().into_iter().flatten().all(has_label) {
        return false;
    }
    let owners = |object: &Value| object.pointer("/metadata/ownerReferences").cloned().unwrap_or_else(|| json!([]));
    let uids = |owners: &Value| -> BTreeSet<String> {
        let each = owners.as_array().into_iter().flatten();
        each.filter_map(|owner| owner.get("uid")?.as_str().map(str::to_owned)).collect()
    };
    if !uids(&owners(desired)).is_subset(&uids(&owners(observed))) {
        return false;
    }
    let there = webhooks(observed);
    webhooks(desired).iter().all(|wanted| {
        let same_name = |one: &&Value| one.get("name") == wanted.get("name");
        there.iter().find(same_name).is_some_and(|found| is_as_wanted(wanted, found))
    })
}

/// What a JSON patch must do to make of `observed` what stands: put webhooks in the place of those that somebody weakened,
/// and take away those that were ours once. Whatever others have beside them stays.
#[must_use]
pub fn corrections(desired: &Value, observed: &Value) -> Vec<Value> {
    let mut operations = Vec::new();
    let mut found: Vec<(usize, &Value)> = webhooks(observed).iter().enumerate().collect();
    // From the last on, so that places stay what they are.
    found.reverse();
    for (at, webhook) in found {
        let path = format!("/webhooks/{at}");
        let same_name = |one: &&Value| one.get("name") == webhook.get("name");
        let correction = match webhooks(desired).iter().find(same_name) {
            Some(wanted) if is_as_wanted(wanted, webhook) => continue,
            Some(wanted) => json!({ "op": "replace", "path": path, "value": wanted }),
            None if was_ours(webhook) => json!({ "op": "remove", "path": path }),
            None => continue,
        };
        operations.push(json!({ "op": "test", "path": format!("{path}/name"), "value": webhook.get("name") }));
        operations.push(correction);
    }
    operations
}

/// Whether nothing is left in it of what was ours once.
#[must_use]
pub fn is_clean(desired: &Value, observed: &Value) -> bool {
    let is_wanted = |webhook: &Value| webhooks(desired).iter().any(|one| one.get("name") == webhook.get("name"));
    webhooks(observed).iter().all(|webhook| is_wanted(webhook) || !was_ours(webhook))
}

fn was_ours(webhook: &Value) -> bool {
    webhook.get("name").and_then(Value::as_str).is_some_and(|name| name.ends_with(".bylaw.dev"))
}

fn webhooks(object: &Value) -> &[Value] {
    object.get("webhooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn is_as_wanted(wanted: &Value, found: &Value) -> bool {
    let field = |webhook: &Value, name: &str| webhook.get(name).cloned().or_else(|| default(name)).unwrap_or_default();
    let fields = wanted.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let unsaid = DEFAULTS.iter().map(|(name, _)| *name);
    let names: BTreeSet<&str> = fields.chain(unsaid).collect();
    names.into_iter().all(|name| {
        let (wanted, found) = (field(wanted, name), field(found, name));
        match name {
            "rules" => as_set(&wanted) == as_set(&found),
            "namespaceSelector" => normal(&wanted) == without_clouds(&found),
            "objectSelector" => normal(&wanted) == normal(&found),
            "clientConfig" => is_client(&wanted, &found),
            _ => wanted == found,
        }
    })
}

fn default(name: &str) -> Option<Value> {
    DEFAULTS.iter().find(|(known, _)| *known == name).and_then(|(_, text)| serde_json::from_str(text).ok())
}

/// What is wanted of it; a port that is the default may be left out.
fn is_client(wanted: &Value, found: &Value) -> bool {
    let port = |client: &Value| client.pointer("/service/port").cloned().unwrap_or(json!(443));
    let at = |client: &Value, pointer: &str| client.pointer(pointer).cloned().unwrap_or_default();
    let same = ["/url", "/caBundle", "/service/name", "/service/namespace", "/service/path"];
    same.iter().all(|pointer| at(wanted, pointer) == at(found, pointer)) && port(wanted) == port(found)
}

fn as_set(list: &Value) -> BTreeSet<String> {
    let sorted = |rule: &Value| -> String {
        let fields = rule.as_object().into_iter().flatten().map(|(name, value)| {
            let texts: BTreeSet<String> = match value.as_array() {
                Some(list) => list.iter().map(ToString::to_string).collect(),
                None => BTreeSet::from([value.to_string()]),
            };
            (name.clone(), texts)
        });
        format!("{:?}", fields.collect::<std::collections::BTreeMap<_, _>>())
    };
    list.as_array().into_iter().flatten().map(sorted).collect()
}

/// A selector without empty parts, its expressions in a fixed order.
fn normal(selector: &Value) -> (String, BTreeSet<String>) {
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let labels: std::collections::BTreeMap<&String, &Value> = labels.into_iter().flatten().collect();
    let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    (format!("{labels:?}"), expressions.map(expression).collect())
}

fn without_clouds(selector: &Value) -> (String, BTreeSet<String>) {
    let mut selector = selector.clone();
    if let Some(expressions) = selector.get_mut("matchExpressions").and_then(Value::as_array_mut) {
        let is_clouds = |one: &Value| {
            one.get("key").and_then(Value::as_str).is_some_and(|key| CLOUDS_OWN.contains(&key))
                && one
                    .get("operator")
                    .and_then(Value::as_str)
                    .is_some_and(|word| word == "NotIn" || word == "DoesNotExist")
        };
        expressions.retain(|one| !is_clouds(one));
    }
    normal(&selector)
}

fn expression(one: &Value) -> String {
    let text = |name: &str| one.get(name).map(ToString::to_string).unwrap_or_default();
    let values = one.get("values").and_then(Value::as_array).into_iter().flatten();
    let values: BTreeSet<String> = values.map(ToString::to_string).collect();
    format!("{} {} {values:?}", text("key"), text("operator"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Value);

    fn configuration(change: impl FnOnce(&mut Value)) -> Value {
        let mut object = json!({
            "metadata": { "name": "bylaw", "labels": { "app": "bylaw" } },
            "webhooks": [{
                "name": "fail.validate.bylaw.dev",
                "clientConfig": { "service": { "namespace": "a", "name": "b", "port": 443, "path": "/validate/fail" }, "caBundle": "eA==" },
                "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["*"], "resources": ["pods"], "scope": "*" }],
                "failurePolicy": "Fail",
                "namespaceSelector": { "matchExpressions": [{ "key": "n", "operator": "NotIn", "values": ["kube-system"] }] },
                "timeoutSeconds": 10,
            }],
        });
        change(&mut object);
        object
    }

    #[test]
    fn what_an_api_server_or_a_cloud_adds_is_left_alone() {
        let desired = configuration(|_| {});
        let observed = configuration(|object| {
            object["metadata"]["labels"]["theirs"] = json!("x");
            let webhook = &mut object["webhooks"][0];
            webhook["objectSelector"] = json!({});
            webhook["matchPolicy"] = json!("Equivalent");
            let expressions = webhook["namespaceSelector"]["matchExpressions"].as_array_mut().unwrap();
            expressions.insert(0, json!({ "key": "control-plane", "operator": "DoesNotExist" }));
        });
        assert!(stands(&desired, &observed));
    }

    #[test]
    fn whatever_weakens_a_webhook_is_seen() {
        let desired = configuration(|_| {});
        let changes: [(&str, Change); 8] = [
            ("failure policy", |webhook| webhook["failurePolicy"] = json!("Ignore")),
            ("rules", |webhook| webhook["rules"] = json!([])),
            ("authority", |webhook| webhook["clientConfig"]["caBundle"] = json!("eQ==")),
            ("path", |webhook| webhook["clientConfig"]["service"]["path"] = json!("/other")),
            ("a selector of objects", |webhook| webhook["objectSelector"] = json!({"matchLabels": {"a": "b"}})),
            ("a condition", |webhook| webhook["matchConditions"] = json!([{"name": "no", "expression": "false"}])),
            ("a namespace", |webhook| {
                webhook["namespaceSelector"]["matchExpressions"][0]["values"] = json!(["kube-system", "mine"]);
            }),
            ("a label that nothing has", |webhook| {
                let expressions = webhook["namespaceSelector"]["matchExpressions"].as_array_mut().unwrap();
                expressions.push(json!({ "key": "control-plane", "operator": "Exists" }));
            }),
        ];
        for (what, change) in changes {
            let observed = configuration(|object| change(&mut object["webhooks"][0]));
            assert!(!stands(&desired, &observed), "{what}");
        }
        assert!(!stands(&desired, &configuration(|object| object["webhooks"] = json!([]))));
        assert!(!stands(&desired, &configuration(|object| object["metadata"]["labels"] = json!({}))));
    }

    #[test]
    fn what_is_wrong_is_corrected_and_what_is_not_ours_is_left() {
        let desired = configuration(|_| {});
        let observed = configuration(|object| {
            let webhooks = object["webhooks"].as_array_mut().unwrap();
            webhooks[0]["objectSelector"] = json!({"matchLabels": {"a": "b"}});
            webhooks.insert(0, json!({"name": "old.validate.bylaw.dev"}));
            webhooks.push(json!({"name": "theirs.example.com"}));
        });
        assert!(!stands(&desired, &observed) && !is_clean(&desired, &observed));
        let operations = corrections(&desired, &observed);
        let told: Vec<String> = operations
            .iter()
            .map(|one| format!("{} {}", one["op"].as_str().unwrap(), one["path"].as_str().unwrap()))
            .collect();
        assert_eq!(
            told,
            ["test /webhooks/1/name", "replace /webhooks/1", "test /webhooks/0/name", "remove /webhooks/0"]
        );
        assert_eq!(operations[1]["value"], desired["webhooks"][0]);
        assert!(corrections(&desired, &desired).is_empty() && is_clean(&desired, &desired));
    }
}
