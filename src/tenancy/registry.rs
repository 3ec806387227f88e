//! The virtual clusters of a host and the tenants it tells of: an immutable set, looked up by who asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::names;
use super::owner::TenantObject;
use super::vcluster::VirtualCluster;

/// Virtual clusters that are kept. Design §8 asks for a thousand.
pub const MOST_VCLUSTERS: usize = 16_384;

/// `Tenant` objects that are kept.
pub const MOST_TENANTS: usize = 16_384;

/// By namespace and name.
pub type Place = (Arc<str>, Arc<str>);

#[derive(Debug, Default)]
pub struct Registry {
    by_account: HashMap<Arc<str>, Arc<VirtualCluster>>,
    by_place: BTreeMap<Place, Arc<VirtualCluster>>,
    /// By what `managed-by` says on objects without a namespace.
    by_manager: HashMap<String, Arc<VirtualCluster>>,
    /// In the order of their names.
    tenants: Vec<Arc<TenantObject>>,
    /// Which of all the sets that were ever put in force this is.
    pub(super) generation: u64,
}

impl Registry {
    /// `registered` by an object of its own stands over what its workload shows. Of two that name one `ServiceAccount`, the
    /// first by namespace and name counts.
    #[must_use]
    pub fn new(
        found: impl IntoIterator<Item = Arc<VirtualCluster>>,
        registered: impl IntoIterator<Item = Arc<VirtualCluster>>,
        tenants: impl IntoIterator<Item = Arc<TenantObject>>,
    ) -> Self {
        let place = |vcluster: &VirtualCluster| (Arc::clone(&vcluster.namespace), Arc::clone(&vcluster.name));
        let mut by_place: BTreeMap<Place, Arc<VirtualCluster>> = BTreeMap::new();
        for vcluster in found {
            by_place.entry(place(&vcluster)).or_insert(vcluster);
        }
        for own in registered {
            let merged = match by_place.get(&place(&own)) {
                None => own,
                Some(known) => {
                    let version = if own.version.is_empty() { &known.version } else { &own.version };
                    let account = if own.has_own_account { &own.account } else { &known.account };
                    let uid = if known.uid.is_empty() { &own.uid } else { &known.uid };
                    let (version, account, uid) = (Arc::clone(version), Arc::clone(account), Arc::clone(uid));
                    Arc::new(VirtualCluster { version, account, uid, state: known.state, ..(*own).clone() })
                }
            };
            by_place.insert(place(&merged), merged);
        }
        let mut by_account: HashMap<Arc<str>, Arc<VirtualCluster>> = HashMap::with_capacity(by_place.len());
        for vcluster in by_place.values() {
            by_account.entry(Arc::clone(&vcluster.account)).or_insert_with(|| Arc::clone(vcluster));
        }
        let manager = |one: &Arc<VirtualCluster>| names::cluster_scoped_manager(&one.namespace, &one.name);
        let by_manager = by_place.values().map(|one| (manager(one), Arc::clone(one))).collect();
        let mut tenants: Vec<_> = tenants.into_iter().collect();
        tenants.sort_by(|a, b| a.name.cmp(&b.name));
        Self { by_account, by_place, by_manager, tenants, generation: 0 }
    }

    /// The virtual cluster whose syncer this user is.
    #[must_use]
    pub fn by_account(&self, username: &str) -> Option<&Arc<VirtualCluster>> {
        self.by_account.get(username)
    }

    #[must_use]
    pub fn at(&self, namespace: &str, name: &str) -> Option<&Arc<VirtualCluster>> {
        self.by_place.get(&(Arc::from(namespace), Arc::from(name)))
    }

    /// Those that are in a namespace of the host.
    pub(super) fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Arc<VirtualCluster>> {
        let first: Place = (Arc::from(namespace), Arc::default());
        let from = self.by_place.range(first..);
        from.take_while(move |((of, _), _)| of.as_ref() == namespace).map(|(_, vcluster)| vcluster)
    }

    pub(super) fn managed_by(&self, manager: &str) -> Option<&Arc<VirtualCluster>> {
        self.by_manager.get(manager)
    }

    #[must_use]
    pub fn vclusters(&self) -> impl ExactSizeIterator<Item = &Arc<VirtualCluster>> {
        self.by_place.values()
    }

    #[must_use]
    pub fn tenants(&self) -> &[Arc<TenantObject>] {
        &self.tenants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(namespace: &str, name: &str) -> Arc<VirtualCluster> {
        Arc::new(VirtualCluster::new(namespace, name, None, "0.36.0").unwrap())
    }

    #[test]
    fn two_of_one_name_in_two_namespaces_are_two() {
        let registry = Registry::new([one("a", "dev"), one("b", "dev")], [], []);
        for namespace in ["a", "b"] {
            let found = registry.by_account(&format!("system:serviceaccount:{namespace}:vc-dev")).unwrap();
            assert_eq!((&*found.namespace, &*found.name), (namespace, "dev"));
            assert!(registry.at(namespace, "dev").is_some());
        }
        assert_eq!(registry.vclusters().len(), 2);
        assert!(registry.by_account("system:serviceaccount:c:vc-dev").is_none());
        assert!(registry.by_account("system:serviceaccount:a:vc-workload-dev").is_none());
    }

    #[test]
    fn an_object_stands_over_the_workload_and_leaves_what_it_does_not_say() {
        let own = Arc::new(VirtualCluster::new("a", "dev", Some("other"), "").unwrap());
        let registry = Registry::new([one("a", "dev")], [own], []);
        assert!(registry.by_account("system:serviceaccount:a:vc-dev").is_none());
        let found = registry.by_account("system:serviceaccount:a:other").unwrap();
        assert_eq!(&*found.version, "0.36.0");
        assert_eq!(registry.vclusters().len(), 1);
    }

    #[test]
    fn of_two_with_one_account_the_first_counts() {
        let second = Arc::new(VirtualCluster::new("a", "z", Some("vc-dev"), "").unwrap());
        let registry = Registry::new([second, one("a", "dev")], [], []);
        assert_eq!(&*registry.by_account("system:serviceaccount:a:vc-dev").unwrap().name, "dev");
    }
}
