//! What policies ask for in `permissions.read` and `permissions.write`, as rules. RBAC knows no versions: a right to
//! `apps/v1/Deployment` is one to `deployments` of `apps`.

use std::collections::{BTreeMap, BTreeSet};

use crate::lint::{groups_of_resource, plural_of_kind};
use crate::policy::{Permissions, PolicySpec};

use super::Rule;

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 4] = ["create", "delete", "patch", "update"];

/// Rules, and what the reader of them should know.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub rules: Vec<Rule>,
    pub warnings: Vec<String>,
}

/// The rules that cover the permissions of all these policies, and what controllers watch, and nothing beyond.
#[must_use]
pub fn asked<'p>(policies: impl IntoIterator<Item = &'p PolicySpec>) -> Asked {
    let mut resources = BTreeMap::<(String, String), BTreeSet<&'static str>>::new();
    let mut warnings = BTreeSet::new();
    for spec in policies {
        let policy = &spec.name;
        let Permissions { read, write, .. } = &spec.permissions;
        for (list, patterns, verbs) in [("read", read, &READ[..]), ("write", write, &WRITE[..])] {
            for pattern in patterns {
                let (group, resource, warning) = resource(pattern);
                resources.entry((group, resource)).or_default().extend(verbs);
                warnings.extend(warning.map(|warning| format!("{policy}: {list} of {pattern}: {warning}")));
            }
        }
        for (group, resource) in watched(spec) {
            if group == "*" {
                warnings.insert(format!(
                    "{policy}: it watches `{resource}` of every group; name its group in match.apiGroups"
                ));
            }
            resources.entry((group, resource)).or_default().extend(READ);
        }
    }
    Asked { rules: rules(resources), warnings: warnings.into_iter().collect() }
}

/// Group and plural of what a controller sees: what it matches, whatever its permissions are. Empty for any other policy.
fn watched(spec: &PolicySpec) -> Vec<(String, String)> {
    let rules = &spec.rules;
    let named: Vec<&String> = rules.api_groups.iter().filter(|group| *group != "*").collect();
    let resources = rules.resources.iter().filter(|_| spec.reconciles);
    let groups_of = |resource: &String| -> Vec<String> {
        if !named.is_empty() {
            return named.iter().map(ToString::to_string).collect();
        }
        let known: Vec<String> = groups_of_resource(resource).into_iter().map(str::to_owned).collect();
        if known.is_empty() { vec!["*".to_owned()] } else { known }
    };
    resources.flat_map(|resource| groups_of(resource).into_iter().map(|group| (group, resource.clone()))).collect()
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
    if let Some(plural) = plural_of_kind(api_version, kind) {
        return (group, plural.to_owned(), None);
    }
    let plural = guessed(kind);
    let warning = format!("it is taken for the resource `{plural}`; mend the role if that is not its plural");
    (group, plural, Some(warning))
}

/// By the convention that Kubernetes itself guesses by (`UnsafeGuessKindToResource` of apimachinery).
fn guessed(kind: &str) -> String {
    let singular = kind.to_lowercase();
    match singular.strip_suffix('y') {
        _ if singular.ends_with('s') => singular + "es",
        Some(stem) => format!("{stem}ies"),
        None => singular + "s",
    }
}

/// As few rules as say it: one for each set of verbs in each group.
fn rules(resources: BTreeMap<(String, String), BTreeSet<&'static str>>) -> Vec<Rule> {
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
mod tests {
    use super::*;
    use crate::isolate::testing::validate;

    fn of(read: &[&str], write: &[&str]) -> Asked {
        let list = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect();
        let permissions = Permissions { read: list(read), write: list(write), ..Permissions::default() };
        asked([&*validate("").named("a.b.c").with(|spec| spec.permissions = permissions).made().spec])
    }

    #[test]
    fn a_controller_may_see_what_it_watches_and_any_other_policy_may_not() {
        let matching = |resources: &[&str], groups: &[&str], reconciles: bool| {
            let list = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
            let draft = validate("").with(|spec| {
                (spec.rules.resources, spec.rules.api_groups) = (list(resources), list(groups));
                spec.reconciles = reconciles;
            });
            asked([&*draft.made().spec])
        };
        assert_eq!(told(&matching(&["deployments"], &[], true)), ["\"apps\" deployments get,list,watch"]);
        assert_eq!(told(&matching(&["widgets"], &["example.com"], true)), ["\"example.com\" widgets get,list,watch"]);
        let anywhere = matching(&["widgets"], &["*"], true);
        assert_eq!((told(&anywhere), anywhere.warnings.len()), (vec!["\"*\" widgets get,list,watch".to_owned()], 1));
        assert_eq!(matching(&["deployments"], &[], false), Asked::default());
    }

    fn told(asked: &Asked) -> Vec<String> {
        let join = |words: &[String]| words.join(",");
        let line =
            |rule: &Rule| format!("{:?} {} {}", join(&rule.api_groups), join(&rule.resources), join(&rule.verbs));
        asked.rules.iter().map(line).collect()
    }

    #[test]
    fn each_permission_becomes_the_rule_that_covers_it() {
        let asked = of(&["v1/ConfigMap", "v1/Namespace", "networking.k8s.io/v1/Ingress"], &["v1/ConfigMap"]);
        let expected = [
            "\"\" configmaps create,delete,get,list,patch,update,watch",
            "\"\" namespaces get,list,watch",
            "\"networking.k8s.io\" ingresses get,list,watch",
        ];
        assert_eq!((told(&asked), asked.warnings.len()), (expected.map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn without_permissions_there_are_no_rules() {
        assert_eq!(of(&[], &[]), Asked::default());
    }

    #[test]
    fn wildcards_are_given_where_a_policy_asks_for_them_and_warned_of() {
        let everything = of(&["*"], &[]);
        assert_eq!(told(&everything), ["\"*\" * get,list,watch"]);
        assert!(everything.warnings[0].starts_with("a.b.c: read of *: every kind of the cluster"), "{everything:?}");
        let apps = of(&[], &["apps/v1/*"]);
        assert_eq!(told(&apps), ["\"apps\" * create,delete,patch,update"]);
        assert_eq!(apps.warnings, ["a.b.c: write of apps/v1/*: every kind of apps; name kinds instead"]);
    }

    #[test]
    fn the_plural_of_a_kind_that_is_not_built_in_is_guessed_aloud() {
        for (kind, plural) in
            [("Certificate", "certificates"), ("GatewayClass", "gatewayclasses"), ("Policy", "policies")]
        {
            let asked = of(&[&format!("example.com/v1/{kind}")], &[]);
            assert_eq!(told(&asked), [format!("\"example.com\" {plural} get,list,watch")]);
            assert!(asked.warnings[0].contains(&format!("taken for the resource `{plural}`")), "{asked:?}");
        }
    }
}
