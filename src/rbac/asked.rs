//! What policies ask for, as rules: `permissions.read` and `permissions.write`, what exists where they judge that too, the
//! `ConfigMap`s that they take parameters from, the accounts that they ask as. RBAC knows no versions: a right to
//! `apps/v1/Deployment` is one to `deployments` of `apps`.

use std::collections::{BTreeMap, BTreeSet};

use crate::lint::{built_in, groups_of, usual_plural};
use crate::matching::WORKLOADS;
use crate::policy::live::ConfigMapRef;
use crate::policy::{MatchSpec, Permissions, Revision};

use super::Rule;

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 4] = ["create", "delete", "patch", "update"];
const SCAN: [&str; 1] = ["list"];

/// One policy that asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'p> {
    pub name: &'p str,
    pub permissions: &'p Permissions,
    /// What of that which exists it judges too.
    pub background: Option<&'p MatchSpec>,
    /// What it watches, where it is a controller: whatever its permissions are.
    pub watched: Option<&'p MatchSpec>,
    /// Where its parameters come from; the namespace is empty for Bylaw's own.
    pub config_map: Option<&'p ConfigMapRef>,
}

impl<'p> Asker<'p> {
    #[must_use]
    pub fn of(revision: &'p Revision) -> Self {
        let (spec, oversight) = (&revision.spec, &revision.oversight);
        Self {
            name: &spec.name,
            permissions: &spec.permissions,
            background: oversight.background.then_some(&spec.rules),
            watched: spec.reconciles.then_some(&spec.rules),
            config_map: oversight.config_map.as_ref(),
        }
    }
}

/// Rules, and what the reader of them should know.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// For the whole cluster.
    pub rules: Vec<Rule>,
    /// For one namespace each; the empty one is Bylaw's own.
    pub local: BTreeMap<String, Vec<Rule>>,
    pub warnings: Vec<String>,
}

/// The rules that cover what all these policies ask for, and nothing beyond.
#[must_use]
pub fn asked<'p>(policies: impl IntoIterator<Item = Asker<'p>>) -> Asked {
    let mut asking = Asking::default();
    for asker in policies {
        asking.take(asker);
    }
    asking.asked()
}

/// Verbs by group and resource.
type Verbs = BTreeMap<(String, String), BTreeSet<&'static str>>;

#[derive(Default)]
struct Asking {
    resources: Verbs,
    /// Names by namespace.
    accounts: BTreeMap<String, BTreeSet<String>>,
    config_maps: BTreeMap<String, BTreeSet<String>>,
    warnings: BTreeSet<String>,
}

impl Asking {
    fn take(&mut self, asker: Asker<'_>) {
        let Permissions { read, write, service_account, .. } = asker.permissions;
        if let Some(account) = service_account {
            let namespace = account.namespace().unwrap_or_default().to_owned();
            self.accounts.entry(namespace).or_default().insert(account.name().to_owned());
            if !read.is_empty() || !write.is_empty() {
                let what = [&read[..], &write[..]].concat().join(", ");
                self.warn(
                    asker.name,
                    &format!("asks as the ServiceAccount {account}, which must have the rights itself: {what}"),
                );
            }
        } else {
            for (list, patterns, verbs) in [("read", read, &READ[..]), ("write", write, &WRITE[..])] {
                for pattern in patterns {
                    let (group, resource, warning) = resource(pattern);
                    self.resources.entry((group, resource)).or_default().extend(verbs);
                    if let Some(warning) = warning {
                        self.warn(asker.name, &format!("{list} of {pattern}: {warning}"));
                    }
                }
            }
        }
        let seen = [("background", asker.background, &SCAN[..]), ("it watches", asker.watched, &READ[..])];
        for (why, rules, verbs) in seen {
            if let Some(rules) = rules {
                self.see(asker.name, why, rules, verbs);
            }
        }
        if let Some(ConfigMapRef { namespace, name }) = asker.config_map.filter(|of| !of.namespace.is_empty()) {
            self.config_maps.entry(namespace.clone()).or_default().insert(name.clone());
        }
    }

    fn warn(&mut self, policy: &str, what: &str) {
        self.warnings.insert(format!("{policy}: {what}"));
    }

    /// What a scan lists for a policy, or a controller watches: the resources that it matches, but for parts of objects.
    fn see(&mut self, policy: &str, why: &str, rules: &MatchSpec, verbs: &[&'static str]) {
        let whole = |name: &String| match name.split_once('/') {
            None => Some(name.clone()),
            Some((name, "*")) => Some(name.to_owned()),
            Some(_) => None,
        };
        for name in rules.resources.iter().filter_map(whole).collect::<BTreeSet<_>>() {
            let groups = groups(&rules.api_groups, &name);
            if name == "*" {
                let of =
                    if groups.contains("*") { "the cluster, Secrets among them".to_owned() } else { list_of(&groups) };
                self.warn(policy, &format!("{why}: every kind of {of}; name resources instead"));
            } else if groups.contains("*") {
                self.warn(policy, &format!("{why}: `{name}` of every group; name its group in match.apiGroups"));
            }
            for group in groups {
                self.resources.entry((group, name.clone())).or_default().extend(verbs);
            }
        }
        for (group, resource) in WORKLOADS.iter().filter(|_| rules.workloads) {
            self.resources.entry(((*group).to_owned(), (*resource).to_owned())).or_default().extend(verbs);
        }
    }

    fn asked(self) -> Asked {
        let mut local = BTreeMap::<String, Vec<Rule>>::new();
        let each =
            [("serviceaccounts/token", self.accounts, &["create"][..]), ("configmaps", self.config_maps, &READ[..])];
        for (resource, by_namespace, verbs) in each {
            for (namespace, names) in by_namespace {
                local.entry(namespace).or_default().push(Rule {
                    api_groups: vec![String::new()],
                    resources: vec![resource.to_owned()],
                    resource_names: names.into_iter().collect(),
                    verbs: verbs.iter().map(ToString::to_string).collect(),
                });
            }
        }
        Asked { rules: rules(self.resources), local, warnings: self.warnings.into_iter().collect() }
    }
}

/// The groups that are meant. Where a policy takes any, those in which Kubernetes has such a resource, if it has it.
fn groups(named: &[String], resource: &str) -> BTreeSet<String> {
    if !named.is_empty() && !named.iter().any(|group| group == "*") {
        return named.iter().cloned().collect();
    }
    let known: BTreeSet<String> = groups_of(resource).into_iter().map(str::to_owned).collect();
    if known.is_empty() { ["*".to_owned()].into() } else { known }
}

fn list_of(groups: &BTreeSet<String>) -> String {
    let name = |group: &String| if group.is_empty() { "the core group".to_owned() } else { group.clone() };
    groups.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The group and the plural that a pattern such as `apps/v1/Deployment` stands for, and what is to be said of it.
fn resource(pattern: &str) -> (String, String, Option<String>) {
    let all = || "*".to_owned();
    let Some((api_version, kind)) = pattern.rsplit_once('/') else {
        return (all(), all(), Some("every kind of the cluster, Secrets among them; name kinds instead".to_owned()));
    };
    let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
    if kind == "*" {
        let of = if group.is_empty() { "the core group, Secrets among them".to_owned() } else { group.clone() };
        return (group, all(), Some(format!("every kind of {of}; name kinds instead")));
    }
    if let Some((plural, _)) = built_in(&group, kind) {
        return (group, plural.to_owned(), None);
    }
    let plural = usual_plural(kind);
    let warning = format!("it is taken for the resource `{plural}`; mend the role if that is not its plural");
    (group, plural, Some(warning))
}

/// As few rules as say it: one for each set of verbs in each group.
fn rules(resources: Verbs) -> Vec<Rule> {
    let mut merged = BTreeMap::<(String, BTreeSet<&'static str>), Vec<String>>::new();
    for ((group, resource), verbs) in resources {
        merged.entry((group, verbs)).or_default().push(resource);
    }
    let rule = |((group, verbs), resources): ((String, BTreeSet<&str>), Vec<String>)| Rule {
        api_groups: vec![group],
        resources,
        resource_names: Vec::new(),
        verbs: verbs.into_iter().map(str::to_owned).collect(),
    };
    merged.into_iter().map(rule).collect()
}

#[cfg(test)]
#[path = "asked_tests.rs"]
mod tests;
