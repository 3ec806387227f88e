//! The built-in resources. `resources.txt` has a line for each: `apiVersion resource kind scope operations`, the kind
//! being that of the object that a review carries; the operations `C`reate, `U`pdate, `D`elete, `X` connect.

use std::sync::LazyLock;

use crate::lint::near::nearest;
use crate::policy::Scope;
use crate::review::Operation;

const TABLE: &str = include_str!("resources.txt");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lint) struct Resource {
    pub group: &'static str,
    pub version: &'static str,
    /// `pods`, `pods/exec`.
    pub name: &'static str,
    /// `v1/Pod`, `v1/PodExecOptions`.
    pub kind: &'static str,
    pub is_namespaced: bool,
    operations: &'static str,
}

impl Resource {
    /// Whether an API server ever asks a webhook about it.
    pub(in crate::lint) fn is_asked_about(&self, operation: Operation) -> bool {
        // A webhook must not be able to lock the door to its own configuration.
        if self.group == "admissionregistration.k8s.io" {
            return false;
        }
        self.operations.contains(match operation {
            Operation::Create => 'C',
            Operation::Update => 'U',
            Operation::Delete => 'D',
            Operation::Connect => 'X',
        })
    }

    pub(in crate::lint) fn is_in(&self, scope: Scope) -> bool {
        match scope {
            Scope::All => true,
            Scope::Namespaced => self.is_namespaced,
            Scope::Cluster => !self.is_namespaced,
        }
    }

    /// `pods/exec` fits `pods/exec`, `pods/*`, `*/exec` and `*/*`, as in a webhook's rules.
    fn fits(&self, pattern: &str) -> bool {
        let part = |text: &'static str| text.split_once('/').map_or((text, ""), |(name, sub)| (name, sub));
        let (name, sub) = part(self.name);
        match pattern.split_once('/') {
            None => sub.is_empty() && (pattern == "*" || pattern == name),
            Some((wanted, wanted_sub)) => {
                (wanted == "*" || wanted == name) && (wanted_sub == "*" || !sub.is_empty() && wanted_sub == sub)
            }
        }
    }
}

pub(in crate::lint) struct Resources(Vec<Resource>);

pub(in crate::lint) fn resources() -> &'static Resources {
    static RESOURCES: LazyLock<Resources> = LazyLock::new(|| Resources(TABLE.lines().filter_map(parse).collect()));
    &RESOURCES
}

fn parse(line: &'static str) -> Option<Resource> {
    let mut words = line.split(' ');
    let api_version = words.next()?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let (name, kind, scope, operations) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some(Resource { group, version, name, kind, is_namespaced: scope == "N", operations })
}

impl Resources {
    /// Those that a rule with these groups and this pattern of names means, in every version. No groups mean all.
    pub(in crate::lint) fn meant(&self, groups: &[String], pattern: &str) -> Vec<Resource> {
        let in_groups = |resource: &&Resource| {
            groups.is_empty() || groups.iter().any(|group| group == "*" || group == resource.group)
        };
        self.0.iter().filter(in_groups).filter(|resource| resource.fits(pattern)).copied().collect()
    }

    pub(in crate::lint) fn is_group(&self, group: &str) -> bool {
        self.0.iter().any(|resource| resource.group == group)
    }

    /// The group that was most likely meant.
    pub(in crate::lint) fn near_group(&self, group: &str) -> Option<&'static str> {
        let groups = || self.0.iter().map(|resource| resource.group);
        // `networking` is short for `networking.k8s.io`.
        let longer = groups().find(|known| known.strip_suffix(".k8s.io") == Some(group));
        longer.or_else(|| nearest(group, groups()))
    }

    /// The resource that was most likely meant, among those of these groups: a near name, the plural of a singular, the
    /// resource of a kind.
    pub(in crate::lint) fn near(&self, groups: &[String], name: &str) -> Option<&'static str> {
        let (plain, sub) = name.split_once('/').map_or((name, None), |(plain, sub)| (plain, Some(sub)));
        let known: Vec<Resource> = self.0.iter().filter(|one| is_among(groups, one.group)).copied().collect();
        let has_sub = |one: &&Resource| one.name.split_once('/').map(|(_, sub)| sub) == sub;
        let singular = |one: &&Resource| {
            let kind = one.kind.rsplit('/').next().unwrap_or_default();
            sub.is_none() && !one.name.contains('/') && kind.eq_ignore_ascii_case(plain)
        };
        let of_kind = known.iter().find(singular).map(|one| one.name);
        let names = known.iter().filter(has_sub).map(|one| one.name);
        let same_resource = || {
            let subs =
                known.iter().filter(|one| one.name.strip_prefix(plain).is_some_and(|rest| rest.starts_with('/')));
            nearest(name, subs.map(|one| one.name))
        };
        of_kind.or_else(|| nearest(name, names)).or_else(same_resource)
    }

    /// The versions in which a kind is served, given its group.
    pub(in crate::lint) fn versions_of_kind(&self, group: &str, kind: &str) -> Vec<&'static str> {
        let of_kind = |one: &&Resource| one.group == group && one.kind.rsplit('/').next() == Some(kind);
        self.0.iter().filter(of_kind).filter(|one| !one.name.contains('/')).map(|one| one.version).collect()
    }

    pub(in crate::lint) fn all(&self) -> &[Resource] {
        &self.0
    }
}

/// The plural of a built-in kind.
pub(crate) fn plural_of_kind(api_version: &str, kind: &str) -> Option<&'static str> {
    let of = |one: &&Resource| !one.name.contains('/') && one.kind.rsplit_once('/') == Some((api_version, kind));
    resources().0.iter().find(of).map(|one| one.name)
}

/// The groups that have a built-in resource of this name.
pub(crate) fn groups_of_resource(name: &str) -> Vec<&'static str> {
    let mut groups: Vec<&str> = resources().0.iter().filter(|one| one.name == name).map(|one| one.group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn is_among(groups: &[String], group: &str) -> bool {
    groups.is_empty() || groups.iter().any(|known| known == "*" || known == group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(groups: &[&str], pattern: &str) -> Vec<&'static str> {
        let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        resources().meant(&groups, pattern).iter().map(|one| one.name).collect()
    }

    #[test]
    fn patterns_mean_what_they_mean_in_a_webhook() {
        assert_eq!(names(&[""], "pods"), ["pods"]);
        assert!(names(&[""], "pods/*").contains(&"pods/exec") && names(&[""], "pods/*").contains(&"pods"));
        assert!(!names(&[""], "*").iter().any(|name| name.contains('/')));
        assert_eq!(names(&["apps"], "*/scale").len(), 3);
        assert_eq!(names(&["apps"], "pods"), [] as [&str; 0]);
    }

    #[test]
    fn a_near_name_is_found_for_a_typo_a_singular_and_a_kind() {
        for (written, meant) in
            [("pod", "pods"), ("deploymnets", "deployments"), ("Ingress", "ingresses"), ("pods/exce", "pods/exec")]
        {
            assert_eq!(resources().near(&[], written), Some(meant), "{written}");
        }
        assert_eq!(resources().near(&[], "widgets"), None);
        assert_eq!(resources().near_group("app"), Some("apps"));
        assert_eq!(resources().near_group("networking"), Some("networking.k8s.io"));
    }

    #[test]
    fn what_can_be_done_with_a_resource_is_known() {
        let pods = resources().meant(&[], "pods/exec")[0];
        assert!(pods.is_asked_about(Operation::Connect) && !pods.is_asked_about(Operation::Create));
        let hooks = resources().meant(&[], "validatingwebhookconfigurations")[0];
        assert!(!hooks.is_asked_about(Operation::Create));
    }
}
