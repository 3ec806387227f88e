//! Labels and selectors as the syncer writes them: some keys are others, and nothing of another tenant is selected.

use serde_json::{Map, Value, json};

use super::Forward;
use crate::tenancy::names::{MANAGED_BY, NAMESPACE_LABEL};
use crate::tenancy::view::{AFFINITY, SPREAD, each};

pub(super) fn forward(object: &mut Value, kind: &str, forward: &Forward<'_>) {
    match kind {
        "Pod" => {
            for path in AFFINITY {
                each(object, path, &mut |term| affinity_term(term, forward));
            }
            each(object, SPREAD, &mut |selector| {
                label_selector(selector, forward);
                of_tenant(selector, Some(forward.namespace), forward);
            });
        }
        "Service" => each(object, "spec/selector", &mut |selector| {
            if let Some(labels) = selector.as_object_mut() {
                rekeyed(labels, forward);
                mark(labels, Some(forward.namespace), forward);
            }
        }),
        "PodDisruptionBudget" => each(object, "spec/selector", &mut |selector| label_selector(selector, forward)),
        "NetworkPolicy" => {
            for path in ["spec/ingress/*/from/*", "spec/egress/*/to/*"] {
                each(object, path, &mut |peer| network_peer(peer, forward));
            }
            each(object, "spec/podSelector", &mut |selector| {
                label_selector(selector, forward);
                of_tenant(selector, Some(forward.namespace), forward);
            });
        }
        _ => {}
    }
}

/// The tenant's keys, each in its place, become those of the host.
pub(super) fn rekeyed(labels: &mut Map<String, Value>, forward: &Forward<'_>) {
    let old = std::mem::take(labels);
    labels.extend(old.into_iter().map(|(key, value)| (forward.label(&key).unwrap_or(key), value)));
}

fn mark(labels: &mut Map<String, Value>, namespace: Option<&str>, forward: &Forward<'_>) {
    labels.insert(MANAGED_BY.to_owned(), (*forward.vcluster.name).into());
    if let Some(namespace) = namespace {
        labels.insert(NAMESPACE_LABEL.to_owned(), namespace.into());
    }
}

fn label_selector(selector: &mut Value, forward: &Forward<'_>) {
    relabelled(selector, &|key| forward.label(key));
}

fn relabelled(selector: &mut Value, new: &dyn Fn(&str) -> Option<String>) {
    if let Some(Value::Object(labels)) = selector.get_mut("matchLabels") {
        let old = std::mem::take(labels);
        labels.extend(old.into_iter().map(|(key, value)| (new(&key).unwrap_or(key), value)));
    }
    each(selector, "matchExpressions/*/key", &mut |key| {
        if let Some(other) = key.as_str().and_then(new) {
            *key = other.into();
        }
    });
}

/// Selects pods of this virtual cluster alone, and of this namespace.
fn of_tenant(selector: &mut Value, namespace: Option<&str>, forward: &Forward<'_>) {
    let Some(fields) = selector.as_object_mut() else { return };
    let labels = fields.entry("matchLabels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        mark(labels, namespace, forward);
    }
}

/// Takes the conditions of one selector into another.
fn merged(into: &mut Value, from: &Value) {
    let Some(fields) = into.as_object_mut() else { return };
    if let Some(labels) = from.get("matchLabels").and_then(Value::as_object) {
        let own = fields.entry("matchLabels").or_insert_with(|| json!({}));
        own.as_object_mut().into_iter().for_each(|own| own.extend(labels.clone()));
    }
    if let Some(expressions) = from.get("matchExpressions").and_then(Value::as_array) {
        let own = fields.entry("matchExpressions").or_insert_with(|| json!([]));
        own.as_array_mut().into_iter().for_each(|own| own.extend(expressions.iter().cloned()));
    }
}

fn of_namespaces(selector: &Value, forward: &Forward<'_>) -> Value {
    let mut selector = selector.clone();
    relabelled(&mut selector, &|key| Some(forward.namespace_label(key)));
    selector
}

fn is_empty(selector: &Value) -> bool {
    let holds = |key: &str| match selector.get(key) {
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        _ => false,
    };
    !holds("matchLabels") && !holds("matchExpressions")
}

fn affinity_term(term: &mut Value, forward: &Forward<'_>) {
    let Some(fields) = term.as_object_mut() else { return };
    let namespaces =
        fields.shift_remove("namespaces").filter(|names| names.as_array().is_some_and(|names| !names.is_empty()));
    let namespace_selector = fields.shift_remove("namespaceSelector").filter(Value::is_object);
    fields.retain(|key, _| key == "labelSelector" || key == "topologyKey");
    let Some(selector) = fields.get_mut("labelSelector").filter(|selector| selector.is_object()) else { return };
    label_selector(selector, forward);
    let mut own = None;
    match (namespaces, namespace_selector) {
        (Some(_), Some(all)) if is_empty(&all) => {}
        (Some(names), _) => {
            let condition = json!({"key": NAMESPACE_LABEL, "operator": "In", "values": names});
            merged(selector, &json!({ "matchExpressions": [condition] }));
        }
        (None, Some(selected)) => merged(selector, &of_namespaces(&selected, forward)),
        (None, None) => own = Some(forward.namespace),
    }
    of_tenant(selector, own, forward);
}

fn network_peer(peer: &mut Value, forward: &Forward<'_>) {
    let Some(fields) = peer.as_object_mut() else { return };
    let selected = fields.shift_remove("namespaceSelector").filter(Value::is_object);
    if fields.contains_key("ipBlock") {
        return;
    }
    let selector = fields.entry("podSelector").or_insert_with(|| json!({}));
    label_selector(selector, forward);
    if let Some(selected) = &selected {
        merged(selector, &of_namespaces(selected, forward));
    }
    of_tenant(selector, selected.is_none().then_some(forward.namespace), forward);
}
