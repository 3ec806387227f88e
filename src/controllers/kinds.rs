//! Which kinds a controller watches: what its resources, groups and versions stand for in this cluster.

use std::collections::BTreeMap;

use crate::cluster::{ClusterError, Listed, Served, Survey};
use crate::policy::Revision;
use crate::review::{GroupVersionResource, Operation};
use crate::scan::names_group;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// One version of each kind, the one that the cluster prefers of those that match.
    pub kinds: Vec<Listed>,
    /// Resources that the cluster does not serve, or not yet.
    pub missing: Vec<String>,
}

/// Why a controller can never watch what it names; as jsPolicy refused it.
pub(super) fn refusal(revision: &Revision) -> Option<String> {
    let of = |text: &String| match text.split_once('/') {
        _ if text == "*" || text.starts_with("*/") => {
            Some(format!("`{text}` names every resource; name them one by one"))
        }
        Some(_) => Some(format!("`{text}` is a subresource, and no object of its own; name the resource")),
        None => None,
    };
    revision.spec.rules.resources.iter().find_map(of)
}

/// Asks the cluster.
pub(super) async fn find(survey: &Survey, revision: &Revision) -> Result<Found, ClusterError> {
    Ok(among(revision, survey.served(|group, _| names_group(revision, group)).await?))
}

fn among(revision: &Revision, served: Served) -> Found {
    let takes = |listed: &Listed| {
        let resource = GroupVersionResource {
            group: listed.kind.group().to_owned(),
            version: listed.kind.version().to_owned(),
            resource: listed.plural.clone(),
        };
        let all = [Operation::Create, Operation::Update, Operation::Delete];
        let takes = |operation| revision.matcher.may_take(&resource, listed.namespaced, operation);
        // A policy for pods that judges workloads too reconciles pods.
        revision.spec.rules.resources.contains(&listed.plural) && all.into_iter().any(takes)
    };
    let mut first: BTreeMap<(String, String), Listed> = BTreeMap::new();
    for listed in served.resources.into_iter().filter(takes) {
        let of = (listed.kind.group().to_owned(), listed.plural.clone());
        first.entry(of).or_insert(listed);
    }
    let kinds: Vec<Listed> = first.into_values().collect();
    let is_missing = |resource: &&String| !kinds.iter().any(|listed| listed.plural == **resource);
    let missing = revision.spec.rules.resources.iter().filter(is_missing).cloned().collect();
    Found { kinds, missing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Kind;
    use crate::isolate::testing::module;

    fn served(kinds: &[(&str, &str)]) -> Served {
        let listed = |(kind, plural): &(&str, &str)| Listed {
            kind: Kind::parse(kind).unwrap(),
            plural: (*plural).to_owned(),
            namespaced: true,
        };
        Served { resources: kinds.iter().map(listed).collect(), unknown: Vec::new() }
    }

    fn revision(resources: &[&str], groups: &[&str], versions: &[&str]) -> std::sync::Arc<Revision> {
        let list = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
        let draft = module("reconcile() {}").with(|spec| {
            spec.rules.resources = list(resources);
            spec.rules.api_groups = list(groups);
            spec.rules.api_versions = list(versions);
            spec.reconciles = true;
        });
        draft.made()
    }

    #[test]
    fn each_kind_is_watched_in_one_version_of_those_that_match() {
        let all = [
            ("v1/Event", "events"),
            ("events.k8s.io/v1/Event", "events"),
            ("a.io/v2/Widget", "widgets"),
            ("a.io/v1/Widget", "widgets"),
            ("v1/Pod", "pods"),
        ];
        let found = |revision: &Revision| {
            let found = among(revision, served(&all));
            (found.kinds.iter().map(|listed| listed.kind.to_string()).collect::<Vec<_>>(), found.missing)
        };
        let (kinds, missing) = found(&revision(&["events", "widgets", "gadgets"], &[], &[]));
        assert_eq!(kinds, ["v1/Event", "a.io/v2/Widget", "events.k8s.io/v1/Event"]);
        assert_eq!(missing, ["gadgets"]);
        assert_eq!(found(&revision(&["widgets"], &["a.io"], &["v1"])).0, ["a.io/v1/Widget"]);
        assert_eq!(found(&revision(&["events"], &[""], &[])).0, ["v1/Event"]);
    }

    #[test]
    fn what_names_everything_or_a_part_of_an_object_is_refused() {
        for (resource, word) in [("*", "one by one"), ("*/*", "one by one"), ("pods/status", "subresource")] {
            let told = refusal(&revision(&["pods", resource], &[], &[])).unwrap();
            assert!(told.contains(word), "{told}");
        }
        assert_eq!(refusal(&revision(&["pods"], &[], &[])), None);
    }
}
