//! `unreachable-match` and `deprecated-api`: what a policy wants to be asked about must be something that an API server
//! asks about.
//!
//! Only what Kubernetes itself has is judged. A resource may be a custom one unless the match says that its group is not.

use super::super::anchors::Anchors;
use super::super::finding::Finding;
use super::super::kubernetes::{Resource, Served, api_version_of, resources};
use super::super::rule::Rule;
use super::conditions;
use crate::policy::{LabelOperator, LabelSelector, MatchSpec, PolicySpec, Scope};
use crate::review::Operation;

const OPERATIONS: [Operation; 4] = [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];

pub(in crate::lint) fn check(spec: &PolicySpec, anchors: &Anchors<'_>) -> Vec<Finding> {
    let rules = &spec.rules;
    let mut found = Vec::new();
    groups(rules, anchors, &mut found);
    let known = meant(rules, anchors, &mut found);
    if let Some(known) = known.as_deref().filter(|_| found.is_empty()) {
        operations(rules, known, anchors, &mut found);
    }
    for (path, selector) in
        [("match.namespaceSelector", &rules.namespace_selector), ("match.objectSelector", &rules.object_selector)]
    {
        if let Some(key) = contradicted(selector) {
            let message = format!("no object can fit what this selector asks of the label {key}");
            found.push(anchors.finding(Rule::UnreachableMatch, path, message));
        }
    }
    let changes_nothing = |operation: &Operation| matches!(operation, Operation::Delete | Operation::Connect);
    if spec.mutates && !rules.operations.is_empty() && rules.operations.iter().all(changes_nothing) {
        let message = "a mutation of what is deleted or connected to has no effect";
        let finding = anchors.finding(Rule::UnreachableMatch, "match.operations", message);
        found.push(finding.with_help("match CREATE or UPDATE, or validate instead"));
    }
    conditions::check(rules, known.as_deref(), anchors, &mut found);
    found.into_iter().map(|finding| finding.of_policy(&spec.name)).collect()
}

fn groups(rules: &MatchSpec, anchors: &Anchors<'_>, found: &mut Vec<Finding>) {
    for (index, group) in rules.api_groups.iter().enumerate() {
        if group == "*" || resources().is_group(group) || !removed_versions(group, rules).is_empty() {
            continue;
        }
        let near = resources().near_group(group);
        // The group of a custom resource has a dot.
        if group.contains('.') && near.is_none() {
            continue;
        }
        let path = format!("match.apiGroups[{index}]");
        let finding = anchors.finding(Rule::UnreachableMatch, &path, format!("there is no API group {group:?}"));
        found.push(match near {
            Some(near) => finding.with_help(format!("write {near:?}")).with_fix(anchors.replace(&path, group, near)),
            None => finding.with_help("`kubectl api-resources` lists the groups of a cluster"),
        });
    }
}

/// The versions in a match that a group had once.
fn removed_versions(group: &str, rules: &MatchSpec) -> Vec<(usize, String)> {
    let gone = |(index, version): (usize, &String)| {
        let joined = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
        match api_version_of(&joined, rules.resources.first().map_or("", String::as_str)) {
            Served::Gone(told) => Some((index, format!("{joined} is not served any more {told}"))),
            Served::NotForLong(_) | Served::Well => None,
        }
    };
    let versions = rules.api_versions.iter().enumerate().filter(|(_, version)| *version != "*");
    let is_gone_group = group == "extensions" && rules.api_versions.is_empty();
    let whole =
        is_gone_group.then(|| (0, "the API group extensions is not served any more since Kubernetes 1.22".to_owned()));
    versions.filter_map(gone).chain(whole).collect()
}

/// The built-in resources that are matched; `None` where others may be.
fn meant(rules: &MatchSpec, anchors: &Anchors<'_>, found: &mut Vec<Finding>) -> Option<Vec<Resource>> {
    let mut is_certain = true;
    for group in &rules.api_groups {
        for (index, message) in removed_versions(group, rules) {
            found.push(anchors.finding(Rule::DeprecatedApi, &format!("match.apiVersions[{index}]"), message));
        }
        is_certain &= resources().is_group(group);
    }
    if !found.is_empty() {
        return None;
    }
    let mut all = Vec::new();
    for (index, pattern) in rules.resources.iter().enumerate() {
        let path = format!("match.resources[{index}]");
        let of_pattern = resources().meant(&rules.api_groups, pattern);
        is_certain &= !pattern.starts_with('*') && !of_pattern.is_empty();
        if pattern.starts_with('*') {
            continue;
        }
        if of_pattern.is_empty() {
            if rules.api_groups.iter().all(|group| resources().is_group(group)) {
                found.extend(missing(rules, pattern, &path, anchors));
            }
            continue;
        }
        let versions = &rules.api_versions;
        let in_version: Vec<Resource> = of_pattern
            .iter()
            .filter(|one| {
                versions.is_empty() || versions.iter().any(|version| version == "*" || version == one.version)
            })
            .copied()
            .collect();
        let in_scope: Vec<Resource> = in_version.iter().filter(|one| one.is_in(rules.scope)).copied().collect();
        let asked = |one: &&Resource| rules_operations(rules).any(|operation| one.is_asked_about(operation));
        if in_version.is_empty() {
            let has: Vec<&str> = of_pattern.iter().map(|one| one.version).collect();
            let message = format!("{pattern} is in none of these versions");
            let finding = anchors.finding(Rule::UnreachableMatch, "match.apiVersions", message);
            found.push(finding.with_help(format!("it is served in {}", has.join(", "))));
        } else if in_scope.is_empty() {
            let (has, wants) = if rules.scope == Scope::Cluster {
                ("in namespaces", "Cluster")
            } else {
                ("in no namespace", "Namespaced")
            };
            let message = format!("{pattern} is {has}, so that the scope {wants} leaves it out");
            let finding = anchors.finding(Rule::UnreachableMatch, "match.scope", message);
            found.push(finding.with_help("leave the scope out"));
        } else if !in_scope.iter().any(|one| asked(&one)) {
            found.push(never_asked(pattern, &in_scope, &path, anchors));
        }
        all.extend(in_scope);
    }
    if rules.workloads {
        all.extend(resources().meant(&[], "deployments"));
    }
    is_certain.then_some(all)
}

fn rules_operations(rules: &MatchSpec) -> impl Iterator<Item = Operation> {
    OPERATIONS.into_iter().filter(|one| rules.operations.is_empty() || rules.operations.contains(one))
}

fn missing(rules: &MatchSpec, pattern: &str, path: &str, anchors: &Anchors<'_>) -> Option<Finding> {
    let near = resources().near(&rules.api_groups, pattern);
    let elsewhere = resources().meant(&[], pattern);
    // Without groups it may be a custom resource, unless it looks like one of these.
    if rules.api_groups.is_empty() && near.is_none() {
        return None;
    }
    let place = if rules.api_groups.is_empty() {
        "Kubernetes".to_owned()
    } else {
        format!("the API groups {:?}", rules.api_groups)
    };
    let finding = anchors.finding(Rule::UnreachableMatch, path, format!("there is no resource {pattern} in {place}"));
    Some(match (elsewhere.first(), near) {
        (Some(there), _) => finding.with_help(format!("it is in the group {:?}", there.group)),
        (None, Some(near)) => {
            finding.with_help(format!("write {near:?}")).with_fix(anchors.replace(path, pattern, near))
        }
        (None, None) => finding.with_help("`kubectl api-resources` lists the resources of a cluster"),
    })
}

fn never_asked(pattern: &str, meant: &[Resource], path: &str, anchors: &Anchors<'_>) -> Finding {
    let possible: Vec<&str> = OPERATIONS
        .into_iter()
        .filter(|operation| meant.iter().any(|one| one.is_asked_about(*operation)))
        .map(Operation::as_str)
        .collect();
    let message = format!("no webhook is asked about {pattern} with these operations");
    let finding = anchors.finding(Rule::UnreachableMatch, path, message);
    if possible.is_empty() {
        finding.with_help("an API server asks no webhook about it at all")
    } else {
        finding.with_help(format!("the operations for it are {}", possible.join(", ")))
    }
}

/// Operations that none of the resources has.
fn operations(rules: &MatchSpec, known: &[Resource], anchors: &Anchors<'_>, found: &mut Vec<Finding>) {
    for (index, operation) in rules.operations.iter().enumerate() {
        if !known.iter().any(|one| one.is_asked_about(*operation)) {
            let message = format!("{} never happens to these resources", operation.as_str());
            let finding = anchors.finding(Rule::UnreachableMatch, &format!("match.operations[{index}]"), message);
            found.push(finding.with_help("take it out"));
        }
    }
}

/// A label of which a selector asks what cannot be.
fn contradicted(selector: &LabelSelector) -> Option<&str> {
    let labels = selector.match_labels.iter().map(|(key, value)| (key, LabelOperator::In, vec![value.as_str()]));
    let expressions = selector
        .match_expressions
        .iter()
        .map(|one| (&one.key, one.operator, one.values.iter().map(String::as_str).collect::<Vec<&str>>()));
    let all: Vec<(&String, LabelOperator, Vec<&str>)> = labels.chain(expressions).collect();
    all.iter().find(|(key, ..)| !can_be(key, &all)).map(|(key, ..)| key.as_str())
}

fn can_be(key: &str, all: &[(&String, LabelOperator, Vec<&str>)]) -> bool {
    let of_key = || all.iter().filter(|(known, ..)| known.as_str() == key);
    let fits = |value: Option<&str>| {
        of_key().all(|(_, operator, values)| match (operator, value) {
            (LabelOperator::In, Some(value)) => values.contains(&value),
            (LabelOperator::NotIn, Some(value)) => !values.contains(&value),
            (LabelOperator::Exists, Some(_)) | (LabelOperator::NotIn | LabelOperator::DoesNotExist, None) => true,
            (LabelOperator::In | LabelOperator::Exists, None) | (LabelOperator::DoesNotExist, Some(_)) => false,
        })
    };
    // A value that is named anywhere, one that is named nowhere, or none.
    fits(None) || fits(Some("\0")) || of_key().flat_map(|(.., values)| values).any(|value| fits(Some(value)))
}
