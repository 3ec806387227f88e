//! `host-mutation`: writes to what a vCluster's syncer copies to the host that do not stay on the host alone.
//!
//! Only policies are looked at that say they are about such copies: by `vantage: "host"` or `"both"`, or by naming tenants.
//! The table is the one by which the engine judges what a policy really changes.

use oxc::span::Span;

use super::super::code::Code;
use super::super::finding::Finding;
use super::super::rule::Rule;
use super::writes::{self, Manner};
use crate::policy::{HostMutations, PolicySpec, Vantage};
use crate::review::Operation;
use crate::tenancy::mutations::{Class, MEND, Syncer, Written, is_known, known_name, of_field};

pub(super) fn check(code: &Code<'_, '_>, found: &mut Vec<Finding>) {
    writes::each(code, &mut |spec, path, manner, span| {
        if is_about_copies(spec) {
            found.extend(judge(code, spec, path, manner, span));
        }
    });
}

fn is_about_copies(spec: &PolicySpec) -> bool {
    let is_meant = match spec.rules.vantage {
        Some(Vantage::Host | Vantage::Both) => true,
        Some(Vantage::Virtual) => false,
        None => spec.rules.tenants.is_some(),
    };
    is_meant && spec.host_mutations == HostMutations::Refuse
}

fn judge(code: &Code<'_, '_>, spec: &PolicySpec, path: &[String], manner: Manner, span: Span) -> Option<Finding> {
    let written = if manner == Manner::Replaced { Written::Changed } else { Written::Added };
    let (class, why) =
        resources(spec).map(|resource| of_resource(spec, resource, path, written)).max_by_key(|one| one.0)?;
    if class == Class::Safe {
        return None;
    }
    let told = path.join(".").replace(".[]", "[]");
    let diagnostic = code.source.diagnostic(span, format!("{told} {class}: {why}"));
    let help = match (class, spec.rules.vantage) {
        (Class::Leaks, _) => {
            "say `hostMutations: \"Allow\"` if the tenant may have it, or make the change in the virtual cluster"
        }
        (_, Some(Vantage::Both)) => {
            "say `vantage: \"virtual\"`: with `\"both\"` the change is left to the virtual cluster anyway"
        }
        _ => MEND,
    };
    Some(Finding::new(Rule::HostMutation, diagnostic).with_help(help).of_policy(&spec.name))
}

/// Those of the match that a syncer is known to copy.
fn resources(spec: &PolicySpec) -> impl Iterator<Item = &str> {
    let groups = &spec.rules.api_groups;
    let is_built_in =
        groups.is_empty() || groups.iter().any(|group| group == "*" || !known_name(group, "pods").is_empty());
    let names = spec.rules.resources.iter().map(|name| name.split('/').next().unwrap_or(name));
    names.filter(move |name| is_built_in && is_known(name))
}

fn of_resource(spec: &PolicySpec, resource: &str, path: &[String], written: Written) -> (Class, &'static str) {
    let steps: Vec<&str> = path.iter().map(String::as_str).collect();
    // Whoever spreads the old labels into new ones writes them all; whoever fills in an empty map writes none.
    match (steps.as_slice(), written) {
        (["metadata", "labels" | "annotations"], Written::Added) => return (Class::Safe, ""),
        (["metadata", "labels" | "annotations"], Written::Changed) => {
            return of_field(resource, path, Written::Added, Syncer::Later);
        }
        _ => {}
    }
    let operations = &spec.rules.operations;
    let is_repeated = operations.is_empty() || operations.contains(&Operation::Update);
    if is_repeated && matches!(steps.as_slice(), ["spec", "containers" | "initContainers", _, "image"]) {
        return (Class::Safe, "");
    }
    of_field(resource, path, written, Syncer::Later)
}
