//! Which objects of a cluster policies are to judge: the kinds that they match, each in the version that they know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::Listed;
use crate::matching::WORKLOADS;
use crate::policy::{Revision, Vantage};
use crate::review::{GroupVersionResource, Operation, Served};

/// A kind of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub served: Served,
    /// `None` for all policies.
    pub only: Option<BTreeSet<Arc<str>>>,
}

/// Whether the policy may care for a group of the API.
#[must_use]
pub fn names_group(revision: &Revision, group: &str) -> bool {
    let rules = &revision.spec.rules;
    let named = rules.api_groups.is_empty() || rules.api_groups.iter().any(|name| name == group || name == "*");
    named || rules.workloads && WORKLOADS.iter().any(|(of, _)| *of == group)
}

/// What is listed, and which policies are to judge it: an object is served in every version of its kind, and each policy
/// sees it in one, the first that it matches.
#[must_use]
pub fn targets(revisions: &[Arc<Revision>], resources: &[Listed], operation: Operation) -> Vec<(Listed, Arc<Target>)> {
    let mut versions: BTreeMap<(&str, &str), Vec<&Listed>> = BTreeMap::new();
    for listed in resources {
        versions.entry((listed.kind.group(), &listed.plural)).or_default().push(listed);
    }
    let mut targets = Vec::new();
    for versions in versions.values() {
        let mut takers: Vec<BTreeSet<Arc<str>>> = vec![BTreeSet::new(); versions.len()];
        for revision in revisions {
            let first = versions.iter().position(|listed| may_take(revision, listed, operation));
            if let Some(takers) = first.and_then(|at| takers.get_mut(at)) {
                takers.insert(Arc::clone(&revision.spec.name));
            }
        }
        let is_split = takers.iter().filter(|takers| !takers.is_empty()).count() > 1;
        let taken = versions.iter().zip(takers).filter(|(_, takers)| !takers.is_empty());
        targets.extend(taken.map(|(listed, takers)| {
            let served = Served { plural: listed.plural.clone(), namespaced: listed.namespaced };
            ((*listed).clone(), Arc::new(Target { served, only: is_split.then_some(takers) }))
        }));
    }
    targets
}

fn may_take(revision: &Revision, listed: &Listed, operation: Operation) -> bool {
    let (spec, kind) = (&revision.spec, &listed.kind);
    let resource = GroupVersionResource {
        group: kind.group().to_owned(),
        version: kind.version().to_owned(),
        resource: listed.plural.clone(),
    };
    (spec.validates || spec.mutates)
        && spec.rules.vantage != Some(Vantage::Virtual)
        && revision.matcher.may_take(&resource, listed.namespaced, operation)
}
