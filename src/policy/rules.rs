//! The match rules, read from either form of a policy and checked as Kubernetes and jsPolicy's `/crds` webhook do.

use std::collections::BTreeMap;

use crate::review::Operation;

use super::fields::{Faults, Fields, clip, type_name};
use super::names::{is_label_value, is_qualified_name};
use super::spec::{LabelOperator, LabelRequirement, LabelSelector, MatchCondition, MatchPolicy, Scope, TenantsSpec};

const OPERATIONS: [Operation; 4] = [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];

/// `operations`: `None` where absent, empty for `*`.
pub(super) fn operations(fields: &Fields<'_, '_>) -> Option<Vec<Operation>> {
    let words = fields.strings("operations")?;
    if words.iter().any(|word| word == "*") {
        if words.len() > 1 {
            fields.fault("operations", "`*` means all of them and must stand alone");
        }
        return Some(Vec::new());
    }
    let mut operations = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        match OPERATIONS.into_iter().find(|operation| operation.as_str() == word) {
            Some(operation) => operations.push(operation),
            None => fields.fault(
                &format!("operations[{index}]"),
                format!("`{}` must be one of CREATE, UPDATE, DELETE, CONNECT, *", clip(word)),
            ),
        }
    }
    Some(operations)
}

/// `tenants`: names, or a selector on labels.
pub(super) fn tenants(fields: &Fields<'_, '_>) -> Option<TenantsSpec> {
    let value = fields.value("tenants")?;
    if value.is_object() {
        return selector(fields, "tenants").map(TenantsSpec::Selector);
    }
    if !value.is_array() {
        let found = type_name(value);
        fields.fault("tenants", format!("must be names of tenants, or a selector on their labels, not {found}"));
        return None;
    }
    let names = fields.strings("tenants")?;
    if names.is_empty() {
        fields.fault("tenants", "must name at least one; leave it out for all");
    }
    for (index, _) in names.iter().enumerate().filter(|(_, name)| name.is_empty()) {
        fields.fault(&format!("tenants[{index}]"), "must not be empty");
    }
    Some(TenantsSpec::Names(names))
}

/// `resources`, by the rules of `k8s.io/kubernetes/pkg/apis/admissionregistration/validation`.
pub(super) fn resources(fields: &Fields<'_, '_>) -> Option<Vec<String>> {
    let resources = fields.strings("resources")?;
    for (index, resource) in resources.iter().enumerate() {
        let fault = |message: &str| fields.fault(&format!("resources[{index}]"), message);
        let plain = resource.split('/').collect::<Vec<_>>();
        if plain.iter().any(|part| part.is_empty()) || plain.len() > 2 {
            fault("must be a plural name such as `pods`, `pods/log`, `pods/*`, `*/scale`, `*` or `*/*`");
        } else if resource.chars().any(|c| c.is_ascii_uppercase()) {
            fault("must be the plural name in lower case, such as `pods`, not the kind");
        } else if let Some(covered) = covered_by(resource, index, &resources) {
            fault(&format!("is already covered by `{covered}`; keep one of them"));
        }
    }
    Some(resources)
}

/// Another entry that makes this one pointless.
fn covered_by<'r>(resource: &str, index: usize, all: &'r [String]) -> Option<&'r str> {
    let others = all.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, resource)| resource.as_str());
    let covers = |wildcard: &str| match (wildcard, resource.split_once('/')) {
        ("*/*", _) | ("*", None) => true,
        (_, Some((name, sub_resource))) => match wildcard.split_once('/') {
            Some((covering, "*")) => covering == name && sub_resource != "*",
            Some(("*", covering)) => covering == sub_resource && name != "*",
            _ => false,
        },
        _ => false,
    };
    others.into_iter().find(|other| covers(other))
}

/// `apiGroups` or `apiVersions`: empty for `*`, which must stand alone.
pub(super) fn groups_or_versions(fields: &Fields<'_, '_>, name: &'static str) -> Option<Vec<String>> {
    let words = fields.strings(name)?;
    if words.iter().any(|word| word == "*") {
        if words.len() > 1 {
            fields.fault(name, "`*` means all of them and must stand alone");
        }
        return Some(Vec::new());
    }
    if name == "apiVersions" && words.iter().any(String::is_empty) {
        fields.fault(name, "an empty version matches nothing; remove it");
    }
    Some(words)
}

pub(super) fn scope(fields: &Fields<'_, '_>) -> Option<Scope> {
    fields.choice("scope", &[("Cluster", Scope::Cluster), ("Namespaced", Scope::Namespaced), ("*", Scope::All)])
}

pub(super) fn match_policy(fields: &Fields<'_, '_>) -> Option<MatchPolicy> {
    fields.choice("matchPolicy", &[("Exact", MatchPolicy::Exact), ("Equivalent", MatchPolicy::Equivalent)])
}

/// A `metav1.LabelSelector`.
pub(super) fn selector(fields: &Fields<'_, '_>, name: &'static str) -> Option<LabelSelector> {
    let selector = fields.object(name)?;
    let mut match_labels = BTreeMap::new();
    if let Some(labels) = selector.value("matchLabels") {
        let path = selector.path("matchLabels");
        let labels = labels.as_object().cloned().unwrap_or_else(|| {
            selector.fault("matchLabels", "must be an object of strings");
            serde_json::Map::new()
        });
        for (key, value) in labels {
            let value = value.as_str().unwrap_or_else(|| {
                selector
                    .faults()
                    .add(format!("{path}.{}", clip(&key)), "must be a string; put numbers and booleans in quotes");
                ""
            });
            check_key(selector.faults(), &path, &key);
            check_value(selector.faults(), &path, value);
            match_labels.insert(key, value.to_owned());
        }
    }
    let mut match_expressions = Vec::new();
    for (index, item) in selector.list("matchExpressions").unwrap_or_default().iter().enumerate() {
        let path = selector.path(&format!("matchExpressions[{index}]"));
        match_expressions.extend(requirement(&Fields::of(item, &path, selector.faults())));
    }
    selector.refuse_unknown();
    Some(LabelSelector { match_labels, match_expressions })
}

fn requirement(fields: &Fields<'_, '_>) -> Option<LabelRequirement> {
    let key = fields.string("key").map(str::to_owned);
    let words = [
        ("In", LabelOperator::In),
        ("NotIn", LabelOperator::NotIn),
        ("Exists", LabelOperator::Exists),
        ("DoesNotExist", LabelOperator::DoesNotExist),
    ];
    let operator = fields.choice("operator", &words);
    let values = fields.strings("values").unwrap_or_default();
    if key.is_none() {
        fields.fault("key", "must name a label");
    }
    match operator {
        Some(LabelOperator::In | LabelOperator::NotIn) if values.is_empty() => {
            fields.fault("values", "must have at least one value for In and NotIn");
        }
        Some(LabelOperator::Exists | LabelOperator::DoesNotExist) if !values.is_empty() => {
            fields.fault("values", "must be left out for Exists and DoesNotExist");
        }
        None if fields.value("operator").is_none() => fields.fault("operator", "must be given"),
        _ => {}
    }
    let key = key?;
    check_key(fields.faults(), &fields.path("key"), &key);
    for value in &values {
        check_value(fields.faults(), &fields.path("values"), value);
    }
    fields.refuse_unknown();
    Some(LabelRequirement { key, operator: operator?, values })
}

fn check_key(faults: &Faults, path: &str, key: &str) {
    if !is_qualified_name(key) {
        faults.add(path, format!("`{}` is not a label key, such as `app.kubernetes.io/name`", clip(key)));
    }
}

fn check_value(faults: &Faults, path: &str, value: &str) {
    if !is_label_value(value) {
        faults.add(path, format!("`{}` is not a label value: at most 63 letters, digits, `-`, `_`, `.`", clip(value)));
    }
}

/// `matchConditions`; whether they are CEL is for `crate::matching` to say, which compiles them.
pub(super) fn conditions(fields: &Fields<'_, '_>) -> Option<Vec<MatchCondition>> {
    let list = fields.list("matchConditions")?;
    let read = |(index, item)| {
        let condition = Fields::of(item, &fields.path(&format!("matchConditions[{index}]")), fields.faults());
        let name = condition.string("name").unwrap_or_default().to_owned();
        let expression = condition.string("expression").unwrap_or_default().to_owned();
        condition.refuse_unknown();
        if !is_qualified_name(&name) {
            condition.fault("name", format!("`{}` must be a name such as `not-a-dry-run`", clip(&name)));
        }
        MatchCondition { name, expression }
    };
    Some(list.iter().enumerate().map(read).collect())
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
