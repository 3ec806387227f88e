//! `missing-cases`, `no-deny-case`, `mutation-not-idempotent`: what the cases show of a policy.

use super::super::anchors::Anchors;
use super::super::finding::Finding;
use super::super::played::Played;
use super::super::rule::Rule;
use crate::policy::PolicySpec;

pub(in crate::lint) fn check(spec: &PolicySpec, anchors: &Anchors<'_>, played: &Played) -> Vec<Finding> {
    if played.is_unknown {
        return Vec::new();
    }
    let of_policy = played.policies.get(&*spec.name).cloned().unwrap_or_default();
    let mut found = Vec::new();
    if !of_policy.is_reached {
        let message = if played.policies.contains_key(&*spec.name) {
            "none of its cases reaches this policy"
        } else {
            "this policy has no cases"
        };
        let finding = anchors.finding(Rule::MissingCases, "name", message);
        found.push(finding.with_help("write one in `cases/*.yaml` beside it; `bylaw test` runs them"));
    } else if !of_policy.has_acted {
        let (does, help) = if spec.validates && !spec.mutates {
            ("denies anything", "write a case with `expect: { allowed: false }`")
        } else {
            ("changes or denies anything", "write a case with `expect: { patched: … }`")
        };
        let finding = anchors.finding(Rule::NoDenyCase, "name", format!("in none of its cases this policy {does}"));
        found.push(finding.with_help(help));
    }
    if let Some((case, path)) = &of_policy.again {
        let message = format!("played again on its own result, case {case:?}, it changes {path} once more");
        let place = if spec.validates { "name" } else { "mutate" };
        let finding = anchors.finding(Rule::MutationNotIdempotent, place, message);
        found.push(finding.with_help("look whether the change is there already before making it"));
    }
    found.into_iter().map(|finding| finding.of_policy(&spec.name)).collect()
}
