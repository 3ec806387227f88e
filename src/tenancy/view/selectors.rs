//! Labels and selectors, back to what the tenant wrote: a syncer rewrites some keys, and adds conditions so that nothing
//! of another tenant is ever selected.

use serde_json::{Map, Value, json};

use super::Back;
use super::references::each;
use crate::tenancy::names::{MANAGED_BY, NAMESPACE_LABEL};

const OF_NAMESPACE: &str = "vcluster.loft.sh/ns-label-";

/// The fields of a kind that hold a `metav1.LabelSelector`.
pub(in crate::tenancy) const AFFINITY: &[&str] = &[
    "spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/*",
    "spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/*",
    "spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/*/podAffinityTerm",
    "spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/*/podAffinityTerm",
];
pub(in crate::tenancy) const SPREAD: &str = "spec/topologySpreadConstraints/*/labelSelector";

pub(super) fn back(object: &mut Value, kind: &str, back: &Back<'_>) {
    match kind {
        "Pod" => {
            for path in AFFINITY {
                each(object, path, &mut |term| affinity_term(term, back));
            }
            each(object, SPREAD, &mut |selector| label_selector(selector, back));
        }
        "Service" => each(object, "spec/selector", &mut |selector| map(selector, back)),
        "PodDisruptionBudget" => each(object, "spec/selector", &mut |selector| label_selector(selector, back)),
        "NetworkPolicy" => network_policy(object, back),
        _ => {}
    }
}

/// A map of labels that has to hold.
fn map(labels: &mut Value, back: &Back<'_>) {
    let Some(labels) = labels.as_object_mut() else { return };
    for key in [MANAGED_BY, NAMESPACE_LABEL] {
        labels.shift_remove(key);
    }
    rekeyed(labels, back);
}

/// Rewritten keys, each in its place, become the tenant's.
pub(super) fn rekeyed(labels: &mut Map<String, Value>, back: &Back<'_>) {
    let old = std::mem::take(labels);
    labels.extend(old.into_iter().map(|(key, value)| (back.label(&key).map_or(key, str::to_owned), value)));
}

fn label_selector(selector: &mut Value, back: &Back<'_>) {
    let Some(fields) = selector.as_object_mut() else { return };
    if let Some(labels) = fields.get_mut("matchLabels") {
        map(labels, back);
        if labels.as_object().is_some_and(Map::is_empty) {
            fields.shift_remove("matchLabels");
        }
    }
    let Some(Value::Array(expressions)) = fields.get_mut("matchExpressions") else { return };
    let key = |expression: &Value| expression.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
    expressions.retain(|expression| ![MANAGED_BY, NAMESPACE_LABEL].contains(&&*key(expression)));
    for expression in expressions.iter_mut() {
        if let Some(tenants) = back.label(&key(expression)) {
            expression["key"] = tenants.into();
        }
    }
    if expressions.is_empty() {
        fields.shift_remove("matchExpressions");
    }
}

/// A syncer makes conditions on labels of the namespaces that a term names.
fn affinity_term(term: &mut Value, back: &Back<'_>) {
    let named = term.pointer("/labelSelector/matchExpressions").and_then(Value::as_array).and_then(|expressions| {
        let of_namespaces = |one: &&Value| one.get("key").is_some_and(|key| key == NAMESPACE_LABEL);
        expressions.iter().find(of_namespaces)?.get("values").cloned()
    });
    let selected = namespace_labels(term.pointer("/labelSelector/matchLabels"), back);
    if let Some(selector) = term.get_mut("labelSelector") {
        strip_namespace_labels(selector);
        label_selector(selector, back);
    }
    let Some(fields) = term.as_object_mut() else { return };
    if let Some(namespaces) = named {
        fields.insert("namespaces".to_owned(), namespaces);
    }
    if let Some(selected) = selected {
        fields.insert("namespaceSelector".to_owned(), json!({ "matchLabels": selected }));
    }
}

fn network_policy(object: &mut Value, back: &Back<'_>) {
    each(object, "spec/podSelector", &mut |selector| label_selector(selector, back));
    for path in ["spec/ingress/*/from/*", "spec/egress/*/to/*"] {
        each(object, path, &mut |peer| network_peer(peer, back));
    }
}

/// What selected namespaces selects pods by labels that carry their namespace's on the host.
fn network_peer(peer: &mut Value, back: &Back<'_>) {
    let Some(labels) = peer.pointer("/podSelector/matchLabels").and_then(Value::as_object) else { return };
    if !labels.contains_key(MANAGED_BY) {
        return;
    }
    let is_own_namespace = labels.get(NAMESPACE_LABEL).is_some_and(|namespace| namespace == back.namespace);
    let selected = namespace_labels(peer.pointer("/podSelector/matchLabels"), back).unwrap_or_default();
    let Some(fields) = peer.as_object_mut() else { return };
    if let Some(selector) = fields.get_mut("podSelector") {
        strip_namespace_labels(selector);
        label_selector(selector, back);
        let is_empty = selector.as_object().is_some_and(Map::is_empty);
        if is_empty && !is_own_namespace {
            fields.shift_remove("podSelector");
        }
    }
    if !is_own_namespace {
        let selector = if selected.is_empty() { json!({}) } else { json!({ "matchLabels": selected }) };
        fields.insert("namespaceSelector".to_owned(), selector);
    }
}

/// Labels of namespaces, under the tenant's keys where those are known. Others are only known as a hash.
fn namespace_labels(labels: Option<&Value>, back: &Back<'_>) -> Option<Map<String, Value>> {
    let labels = labels?.as_object()?;
    let of_namespaces = labels.iter().filter(|(key, _)| key.starts_with(OF_NAMESPACE));
    let found: Map<String, Value> = of_namespaces
        .map(|(key, value)| (back.namespace_label(key).map_or_else(|| key.clone(), str::to_owned), value.clone()))
        .collect();
    (!found.is_empty()).then_some(found)
}

fn strip_namespace_labels(selector: &mut Value) {
    if let Some(labels) = selector.get_mut("matchLabels").and_then(Value::as_object_mut) {
        labels.retain(|key, _| !key.starts_with(OF_NAMESPACE));
    }
}
