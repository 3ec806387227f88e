//! Who owns a namespace: what Loft, our own `Tenant` objects, Capsule, Rancher, Kiosk and the hierarchical namespaces
//! say, in this order. All of it stands in labels that only admins may set, which `guard` sees to.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::matching::Selector;
use crate::policy::LabelSelector;
use crate::review::UserInfo;

/// Labels whose value is an owner, before any `Tenant` object is asked.
const OF_LOFT: [&str; 5] = [
    "loft.sh/project",
    "loft.sh/user",
    "loft.sh/team",
    "loft.sh/space-instance-project",
    "loft.sh/vcluster-instance-project",
];

/// The same for namespaces of projects, whose names carry the project's.
const OF_LOFT_PROJECTS: [&str; 2] = ["loft.sh/space-instance-namespace", "loft.sh/vcluster-instance-namespace"];
const PROJECT_PREFIXES: [&str; 2] = ["loft-p-", "p-"];

/// Labels whose value is an owner, after the `Tenant` objects.
const OF_OTHERS: [&str; 4] =
    ["capsule.clastix.io/tenant", "projectcapsule.dev/tenant", "field.cattle.io/projectId", "kiosk.sh/account"];

/// `<ancestor>.tree.hnc.x-k8s.io/depth`.
const OF_HIERARCHIES: &str = ".tree.hnc.x-k8s.io/depth";

/// Groups that single sign-on gives a user of Loft.
const GROUPS: [&str; 2] = ["loft:user:", "loft:team:"];

/// A `Tenant` object.
#[derive(Debug)]
pub struct TenantObject {
    pub name: Arc<str>,
    pub labels: Arc<BTreeMap<String, String>>,
    pub parameters: Map<String, Value>,
    /// How much the tenant may use, by resource.
    pub quotas: Map<String, Value>,
    users: Vec<String>,
    groups: Vec<String>,
    members: Option<Selector>,
    /// Virtual clusters by namespace and name.
    vclusters: Vec<(String, String)>,
}

/// Why a `Tenant` object counts for nothing.
#[derive(Debug, thiserror::Error)]
pub enum BadTenant {
    #[error("it cannot be read: {0}")]
    Form(String),
    #[error(transparent)]
    Selector(#[from] crate::matching::MatchError),
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Spec {
    owners: Vec<Subject>,
    members: Option<Members>,
    vclusters: Vec<Place>,
    parameters: Map<String, Value>,
    quotas: Map<String, Value>,
}

#[derive(Debug, serde::Deserialize)]
struct Subject {
    kind: String,
    name: String,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Members {
    namespace_selector: Option<LabelSelector>,
}

#[derive(Debug, serde::Deserialize)]
struct Place {
    namespace: String,
    name: String,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    labels: BTreeMap<String, String>,
}

impl TenantObject {
    pub fn read(object: &Value) -> Result<Self, BadTenant> {
        let part = |name: &str| object.get(name).cloned().unwrap_or_else(|| Value::Object(Map::new()));
        let form = |error: serde_json::Error| BadTenant::Form(error.to_string());
        let metadata: Metadata = serde_json::from_value(part("metadata")).map_err(form)?;
        let spec: Spec = serde_json::from_value(part("spec")).map_err(form)?;
        let named = |kinds: &[&str]| -> Vec<String> {
            let of_kind = spec.owners.iter().filter(|subject| kinds.contains(&&*subject.kind));
            of_kind.map(|subject| subject.name.clone()).collect()
        };
        let selector = spec.members.and_then(|members| members.namespace_selector);
        let members =
            selector.map(|selector| Selector::compile(&selector, "spec.members.namespaceSelector")).transpose()?;
        Ok(Self {
            users: named(&["User", "ServiceAccount"]),
            groups: named(&["Group"]),
            // An empty selector would make the whole cluster one tenant's.
            members: members.filter(|selector| !selector.is_empty()),
            vclusters: spec.vclusters.into_iter().map(|place| (place.namespace, place.name)).collect(),
            parameters: spec.parameters,
            quotas: spec.quotas,
            labels: Arc::new(metadata.labels),
            name: metadata.name.into(),
        })
    }

    pub(super) fn has_namespace(&self, labels: &BTreeMap<String, String>) -> bool {
        self.members.as_ref().is_some_and(|members| members.matches(labels))
    }

    pub(super) fn has_vcluster(&self, namespace: &str, name: &str) -> bool {
        self.vclusters.iter().any(|(of_namespace, of_name)| of_namespace == namespace && of_name == name)
    }

    pub(super) fn is_owned_by(&self, user: &UserInfo) -> bool {
        self.users.contains(&user.username) || user.groups.iter().any(|group| self.groups.contains(group))
    }
}

/// An owner, and the object that tells more of him.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub name: Arc<str>,
    pub object: Option<Arc<TenantObject>>,
}

/// Who owns a namespace with these labels; `tenants` in the order of their names.
pub(super) fn of_labels(labels: &BTreeMap<String, String>, tenants: &[Arc<TenantObject>]) -> Option<Owner> {
    let object = tenants.iter().find(|tenant| tenant.has_namespace(labels));
    if let Some(name) = first(labels, &OF_LOFT).or_else(|| of_project(labels)) {
        return Some(named(name, tenants));
    }
    if let Some(tenant) = object {
        return Some(Owner { name: Arc::clone(&tenant.name), object: Some(Arc::clone(tenant)) });
    }
    first(labels, &OF_OTHERS).or_else(|| of_hierarchy(labels)).map(|name| named(name, tenants))
}

/// Whom the identity provider says a user to be, or whose owner he is.
pub(super) fn of_user(user: &UserInfo, tenants: &[Arc<TenantObject>]) -> Option<Owner> {
    if let Some(tenant) = tenants.iter().find(|tenant| tenant.is_owned_by(user)) {
        return Some(Owner { name: Arc::clone(&tenant.name), object: Some(Arc::clone(tenant)) });
    }
    let of_kind = |prefix: &&str| user.groups.iter().find_map(|group| group.strip_prefix(*prefix));
    GROUPS.iter().find_map(of_kind).filter(|name| !name.is_empty()).map(|name| named(name, tenants))
}

/// Whether a label has a say in who owns a namespace.
pub(super) fn decides(key: &str) -> bool {
    OF_LOFT.contains(&key)
        || OF_LOFT_PROJECTS.contains(&key)
        || OF_OTHERS.contains(&key)
        || key.ends_with(OF_HIERARCHIES)
        || ["vcluster.loft.sh/vcluster-name", "vcluster.loft.sh/vcluster-namespace"].contains(&key)
}

fn named(name: &str, tenants: &[Arc<TenantObject>]) -> Owner {
    let object = tenants.iter().find(|tenant| *tenant.name == *name).cloned();
    Owner { name: name.into(), object }
}

fn first<'a>(labels: &'a BTreeMap<String, String>, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| labels.get(*key)).map(String::as_str).filter(|name| !name.is_empty())
}

fn of_project(labels: &BTreeMap<String, String>) -> Option<&str> {
    let namespace = first(labels, &OF_LOFT_PROJECTS)?;
    PROJECT_PREFIXES.iter().find_map(|prefix| namespace.strip_prefix(prefix)).or(Some(namespace))
}

/// The root of the tree that a namespace is in.
fn of_hierarchy(labels: &BTreeMap<String, String>) -> Option<&str> {
    let depth = |(key, value): (&'_ String, &String)| {
        Some((value.parse::<u32>().ok()?, key.len().checked_sub(OF_HIERARCHIES.len())?))
    };
    let trees = labels.iter().filter(|(key, _)| key.ends_with(OF_HIERARCHIES));
    let (key, _) = trees.max_by_key(|entry| depth((entry.0, entry.1)))?;
    key.strip_suffix(OF_HIERARCHIES).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn tenant(name: &str, spec: &Value) -> Arc<TenantObject> {
        Arc::new(
            TenantObject::read(&json!({"metadata": {"name": name, "labels": {"tier": "gold"}}, "spec": spec})).unwrap(),
        )
    }

    fn owner(pairs: &[(&str, &str)], tenants: &[Arc<TenantObject>]) -> Option<String> {
        of_labels(&labels(pairs), tenants).map(|owner| owner.name.to_string())
    }

    #[test]
    fn the_labels_of_each_system_name_an_owner() {
        for (pairs, name) in [
            (&[("loft.sh/project", "shop")][..], "shop"),
            (&[("loft.sh/user", "jane")], "jane"),
            (&[("loft.sh/team", "payments")], "payments"),
            (&[("loft.sh/space-instance-namespace", "loft-p-shop")], "shop"),
            (&[("loft.sh/vcluster-instance-project", "shop")], "shop"),
            (&[("capsule.clastix.io/tenant", "oil")], "oil"),
            (&[("projectcapsule.dev/tenant", "oil")], "oil"),
            (&[("field.cattle.io/projectId", "p-x7k2")], "p-x7k2"),
            (&[("kiosk.sh/account", "jane")], "jane"),
            (
                &[
                    ("a.tree.hnc.x-k8s.io/depth", "0"),
                    ("acme.tree.hnc.x-k8s.io/depth", "2"),
                    ("b.tree.hnc.x-k8s.io/depth", "1"),
                ],
                "acme",
            ),
        ] {
            assert_eq!(owner(pairs, &[]).as_deref(), Some(name), "{pairs:?}");
        }
        assert_eq!(owner(&[("team", "a"), ("loft.sh/user", "")], &[]), None);
    }

    #[test]
    fn of_several_owners_the_first_in_the_order_of_the_systems_counts() {
        let all = [
            ("kiosk.sh/account", "kiosk"),
            ("field.cattle.io/projectId", "rancher"),
            ("capsule.clastix.io/tenant", "capsule"),
            ("stage", "prod"),
            ("loft.sh/user", "loft"),
        ];
        let ours = [tenant("ours", &json!({"members": {"namespaceSelector": {"matchLabels": {"stage": "prod"}}}}))];
        for (left, name) in [(5, "loft"), (4, "ours"), (3, "capsule"), (2, "rancher"), (1, "kiosk")] {
            assert_eq!(owner(&all[..left], &ours).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_user_is_who_the_identity_provider_says() {
        let user = |name: &str, groups: &[&str]| UserInfo {
            username: name.to_owned(),
            groups: groups.iter().map(ToString::to_string).collect(),
        };
        let ours =
            [tenant("ours", &json!({"owners": [{"kind": "User", "name": "jane"}, {"kind": "Group", "name": "ours"}]}))];
        let of = |user: &UserInfo| of_user(user, &ours).map(|owner| owner.name.to_string());
        assert_eq!(of(&user("jane", &[])).as_deref(), Some("ours"));
        assert_eq!(of(&user("joe", &["ours"])).as_deref(), Some("ours"));
        assert_eq!(of(&user("joe", &["loft:team:a", "loft:user:joe"])).as_deref(), Some("joe"));
        assert_eq!(of(&user("joe", &["loft:team:a"])).as_deref(), Some("a"));
        assert_eq!(of(&user("joe", &["loft:user:"])), None);
    }

    #[test]
    fn a_tenant_without_members_takes_no_namespace() {
        for spec in [json!({}), json!({"members": {}}), json!({"members": {"namespaceSelector": {}}})] {
            assert!(!tenant("ours", &spec).has_namespace(&labels(&[("a", "b")])));
        }
        assert!(TenantObject::read(&json!({"metadata": {"name": "a"}, "spec": {"owners": "jane"}})).is_err());
    }
}
