//! Whose request it is (design §5), as policies are told and as `match.tenants` sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};

use super::owner::Owner;
use super::vcluster::VirtualCluster;
use crate::isolate::no_tenant;
use crate::matching::Whose;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    VirtualCluster,
    Namespaces,
    None,
}

impl Kind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VirtualCluster => "vcluster",
            Self::Namespaces => "namespaces",
            Self::None => "none",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    pub kind: Kind,
    /// Whoever asks may speak for the tenant, or an object vouches that he did.
    pub trusted: bool,
    pub name: Arc<str>,
    /// By all of which `match.tenants` may call it.
    names: Vec<Arc<str>>,
    pub labels: Arc<BTreeMap<String, String>>,
    /// Contract §3's `tenant`, as JSON.
    pub text: Arc<str>,
}

type Labels = Arc<BTreeMap<String, String>>;

impl Tenant {
    /// That of a request which belongs to none.
    #[must_use]
    pub fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<Tenant>> = LazyLock::new(|| {
            let (name, names, labels) = (Arc::from(""), Vec::new(), Arc::default());
            Arc::new(Tenant { kind: Kind::None, trusted: false, name, names, labels, text: no_tenant() })
        });
        Arc::clone(&NONE)
    }

    /// A virtual cluster. `namespace` is the tenant's own, empty for what is in none; `labels` are those of the host
    /// namespace that the virtual cluster is in.
    pub(super) fn of_vcluster(
        vcluster: &VirtualCluster,
        namespace: &str,
        labels: Option<Labels>,
        owner: Option<&Owner>,
        trusted: bool,
    ) -> Self {
        let VirtualCluster { name, namespace: home, version, .. } = vcluster;
        let names = vec![Arc::clone(name), format!("{home}/{name}").into()];
        let about = json!({ "name": &**name, "namespace": &**home, "version": &**version });
        let parts = Parts { kind: Kind::VirtualCluster, trusted, namespace, vcluster: Some(about), names };
        parts.of(name, labels, owner, &vcluster.parameters)
    }

    /// Namespaces of one owner. `namespace` is that of the request.
    pub(super) fn of_namespaces(owner: &Owner, namespace: &str, labels: Option<Labels>) -> Self {
        let parts = Parts { kind: Kind::Namespaces, trusted: true, namespace, vcluster: None, names: Vec::new() };
        parts.of(&owner.name, labels, Some(owner), &Map::new())
    }

    /// One that somebody describes in the form of contract §3: a test case.
    #[must_use]
    pub fn of_value(value: &Value) -> Self {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let name: Arc<str> = text("/name").unwrap_or_default().into();
        let place =
            text("/vcluster/namespace").zip(text("/vcluster/name")).map(|(home, name)| format!("{home}/{name}"));
        let names = [text("/name"), place.as_deref(), text("/vcluster/name"), text("/owner")];
        let labels = value.get("labels").and_then(Value::as_object).into_iter().flatten();
        let labels = labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        Self {
            kind: match text("/kind") {
                Some("vcluster") => Kind::VirtualCluster,
                Some("namespaces") => Kind::Namespaces,
                _ => Kind::None,
            },
            trusted: value.get("trusted") == Some(&Value::Bool(true)),
            names: names.into_iter().flatten().map(Arc::from).collect(),
            labels: Arc::new(labels.collect()),
            text: value.to_string().into(),
            name,
        }
    }

    /// By all of which it may be called: its name, `NAMESPACE/NAME` of a virtual cluster, its owner.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|known| **known == *name)
    }
}

impl Whose for Tenant {
    fn is_called(&self, name: &str) -> bool {
        Self::is_called(self, name)
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        (self.kind != Kind::None).then_some(&*self.labels)
    }
}

struct Parts<'a> {
    kind: Kind,
    trusted: bool,
    namespace: &'a str,
    vcluster: Option<Value>,
    names: Vec<Arc<str>>,
}

impl Parts<'_> {
    fn of(
        mut self,
        name: &Arc<str>,
        labels: Option<Labels>,
        owner: Option<&Owner>,
        own: &Map<String, Value>,
    ) -> Tenant {
        let object = owner.and_then(|owner| owner.object.as_deref());
        let labels = match object.filter(|object| !object.labels.is_empty()) {
            None => labels.unwrap_or_default(),
            Some(object) => {
                let of_namespace = labels.map(Arc::unwrap_or_clone).unwrap_or_default();
                Arc::new(of_namespace.into_iter().chain((*object.labels).clone()).collect())
            }
        };
        let mut parameters = object.map(|object| object.parameters.clone()).unwrap_or_default();
        parameters.extend(own.clone());
        self.names.extend(owner.map(|owner| Arc::clone(&owner.name)));
        let mut told = json!({
            "kind": self.kind.as_str(), "trusted": self.trusted, "name": &**name, "namespace": self.namespace,
        });
        if let Some(told) = told.as_object_mut() {
            told.extend(self.vcluster.map(|vcluster| ("vcluster".to_owned(), vcluster)));
            told.extend(owner.map(|owner| ("owner".to_owned(), owner.name.to_string().into())));
            told.insert("labels".to_owned(), json!(*labels));
            told.insert("parameters".to_owned(), Value::Object(parameters));
            let quotas = object.map(|object| object.quotas.clone()).filter(|quotas| !quotas.is_empty());
            told.extend(quotas.map(|quotas| ("quotas".to_owned(), Value::Object(quotas))));
        }
        let (names, name) = (self.names, Arc::clone(name));
        Tenant { kind: self.kind, trusted: self.trusted, name, names, labels, text: told.to_string().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        Arc::new(BTreeMap::from([("stage".to_owned(), "prod".to_owned())]))
    }

    #[test]
    fn a_virtual_cluster_is_called_by_its_name_its_place_and_its_owner() {
        let vcluster = VirtualCluster::new("vc-tenant1", "tenant1", None, "0.36.0").unwrap();
        let owner = Owner { name: "acme".into(), object: None };
        let tenant = Tenant::of_vcluster(&vcluster, "team-a", Some(labels()), Some(&owner), true);
        for name in ["tenant1", "vc-tenant1/tenant1", "acme"] {
            assert!(tenant.is_called(name), "{name}");
        }
        assert!(!tenant.is_called("vc-tenant1") && !tenant.is_called(""));
        let told: Value = serde_json::from_str(&tenant.text).unwrap();
        assert_eq!(
            told,
            json!({
                "kind": "vcluster", "trusted": true, "name": "tenant1", "namespace": "team-a",
                "vcluster": {"name": "tenant1", "namespace": "vc-tenant1", "version": "0.36.0"}, "owner": "acme",
                "labels": {"stage": "prod"}, "parameters": {},
            })
        );
        assert_eq!(Tenant::of_value(&told), Tenant { names: Tenant::of_value(&told).names, ..tenant });
    }

    #[test]
    fn an_object_of_its_own_tells_more_of_a_tenant() {
        let object = json!({"metadata": {"name": "acme", "labels": {"tier": "gold"}}, "spec": {"parameters": {"a": 1, "b": 1}, "quotas": {"pods": 3}}});
        let object = Arc::new(super::super::owner::TenantObject::read(&object).unwrap());
        let owner = Owner { name: "acme".into(), object: Some(object) };
        let vcluster = VirtualCluster {
            parameters: json!({"b": 2}).as_object().unwrap().clone(),
            ..VirtualCluster::new("vc-a", "a", None, "").unwrap()
        };
        let told: Value =
            serde_json::from_str(&Tenant::of_vcluster(&vcluster, "", Some(labels()), Some(&owner), true).text).unwrap();
        assert_eq!(told["parameters"], json!({"a": 1, "b": 2}));
        assert_eq!(told["quotas"], json!({"pods": 3}));
        assert_eq!(told["labels"], json!({"stage": "prod", "tier": "gold"}));
    }
}
