//! The rules of a webhook: what its policies match, in a form that the API server takes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::matching::WORKLOADS;
use crate::policy::{MatchSpec, Revision, Scope};

/// All but the resources of a rule, in a fixed order.
type Scoped = (Vec<String>, Vec<String>, Vec<String>, &'static str);

/// What the members match, in as few rules as say just that.
pub(super) fn rules(members: &[&Revision]) -> Vec<Value> {
    let mut rules = BTreeMap::<Scoped, BTreeSet<String>>::new();
    for spec in members.iter().map(|one| &one.spec.rules) {
        let any_if_empty = |list: &[String]| if list.is_empty() { vec!["*".to_owned()] } else { sorted(list) };
        let (groups, versions) = (any_if_empty(&spec.api_groups), any_if_empty(&spec.api_versions));
        rules.entry(scoped(spec, groups, versions)).or_default().extend(spec.resources.iter().cloned());
        if spec.workloads {
            for group in ["", "apps", "batch"] {
                let resources =
                    WORKLOADS.iter().filter(|(of, _)| *of == group).map(|(_, resource)| (*resource).to_owned());
                let rule = scoped(spec, vec![group.to_owned()], vec!["v1".to_owned()]);
                rules.entry(rule).or_default().extend(resources);
            }
        }
    }
    let rule = |((operations, groups, versions, scope), resources): (Scoped, BTreeSet<String>)| {
        json!({
            "operations": operations, "apiGroups": groups, "apiVersions": versions, "resources": together(&resources),
            "scope": scope,
        })
    };
    rules.into_iter().map(rule).collect()
}

fn scoped(spec: &MatchSpec, groups: Vec<String>, versions: Vec<String>) -> Scoped {
    let operations: Vec<String> = match spec.operations.as_slice() {
        [] => vec!["*".to_owned()],
        some => sorted(&some.iter().map(|operation| operation.as_str().to_owned()).collect::<Vec<_>>()),
    };
    let scope = match spec.scope {
        Scope::All => "*",
        Scope::Cluster => "Cluster",
        Scope::Namespaced => "Namespaced",
    };
    (operations, groups, versions, scope)
}

fn sorted(list: &[String]) -> Vec<String> {
    list.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// The API server refuses a resource beside a wildcard that has it in it.
fn together(resources: &BTreeSet<String>) -> Vec<String> {
    let has = |name: &str| resources.contains(name);
    if has("*/*") {
        return vec!["*/*".to_owned()];
    }
    let is_covered = |resource: &str| match resource.split_once('/') {
        None => resource != "*" && has("*"),
        Some((of, sub)) => sub != "*" && has(&format!("{of}/*")) || of != "*" && has(&format!("*/{sub}")),
    };
    resources.iter().filter(|resource| !is_covered(resource)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_beside_a_wildcard_that_has_them_in_it_are_left_out() {
        let of = |names: &[&str]| together(&names.iter().map(ToString::to_string).collect());
        assert_eq!(of(&["pods", "*/*", "pods/log"]), ["*/*"]);
        assert_eq!(of(&["pods", "*", "pods/log"]), ["*", "pods/log"]);
        assert_eq!(of(&["pods/*", "pods/log", "nodes/log", "pods"]), ["nodes/log", "pods", "pods/*"]);
        assert_eq!(of(&["*/scale", "deployments/scale", "pods/log"]), ["*/scale", "pods/log"]);
    }
}
