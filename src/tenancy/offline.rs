//! Virtual clusters without a cluster: those that an inventory describes, and the one that a flag names.

use std::sync::Arc;

use serde_json::Value;

use super::Registry;
use super::sightings::{Seen, Source, registry};
use super::vcluster::{NotOne, VirtualCluster};
use crate::cluster::{Inventory, Kind};

const SOURCES: [(Source, &str, &str); 4] = [
    (Source::StatefulSets, "apps/v1", "StatefulSet"),
    (Source::Deployments, "apps/v1", "Deployment"),
    (Source::VirtualClusters, "bylaw.dev/v1alpha1", "VirtualCluster"),
    (Source::Tenants, "bylaw.dev/v1alpha1", "Tenant"),
];

/// What an inventory tells of virtual clusters and tenants; `None` where that is nothing. A `ServiceAccount` of the vCluster
/// chart is enough to know one by.
#[must_use]
pub fn registry_of(inventory: &Inventory, named: Option<&VirtualCluster>) -> Option<Registry> {
    let objects = |version: &str, kind: &str, fits: &dyn Fn(&crate::cluster::Labels) -> bool| -> Vec<Value> {
        let store = Kind::new(version, kind).ok().and_then(|kind| inventory.of(&kind));
        let texts = store.map(|store| store.list(None, fits)).unwrap_or_default();
        texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()
    };
    let is_of_chart = |labels: &crate::cluster::Labels| labels.get("app").is_some_and(|app| app == "vcluster");
    let mut all: Vec<(Source, Seen)> = Vec::new();
    let mut is_told = named.is_some();
    let mut accounts = Seen::default();
    for account in objects("v1", "ServiceAccount", &is_of_chart) {
        accounts.take_account(&account);
        is_told = true;
    }
    for (source, version, kind) in SOURCES {
        let is_workload = matches!(source, Source::StatefulSets | Source::Deployments);
        let mut seen = Seen::default();
        for object in objects(version, kind, &|labels| !is_workload || is_of_chart(labels)) {
            seen.take(source, &object);
            is_told = true;
        }
        all.push((source, seen));
    }
    if let Some(vcluster) = named {
        let mut seen = Seen::default();
        seen.take_named(vcluster);
        all.push((Source::StatefulSets, seen));
    }
    // After all else: a workload tells more.
    all.push((Source::StatefulSets, accounts));
    is_told.then(|| registry(all.iter().map(|(source, seen)| (*source, seen))))
}

/// The virtual cluster of `--vcluster NAMESPACE/NAME`.
///
/// # Errors
/// Where it is of another form.
pub fn named(text: &str) -> Result<Arc<VirtualCluster>, NotOne> {
    let (namespace, name) = text.split_once('/').unwrap_or(("", text));
    VirtualCluster::new(namespace, name, None, "").map(Arc::new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vclusters(objects: impl IntoIterator<Item = Value>) -> Option<Vec<String>> {
        let registry = registry_of(&Inventory::from_objects(objects).unwrap(), None)?;
        Some(
            registry
                .vclusters()
                .map(|one| format!("{}/{} {} {}", one.namespace, one.name, one.version, one.account))
                .collect(),
        )
    }

    fn labels() -> Value {
        json!({"app": "vcluster", "release": "dev", "chart": "vcluster-0.36.0"})
    }

    #[test]
    fn each_manifest_of_the_chart_is_enough() {
        let workload = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"namespace": "a", "name": "dev", "labels": labels()},
            "spec": {"template": {"spec": {"containers": [{"name": "syncer"}]}}},
        });
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "a", "name": "vc-dev", "labels": labels()},
        });
        let one = Some(vec!["a/dev 0.36.0 system:serviceaccount:a:vc-dev".to_owned()]);
        assert_eq!(vclusters([workload.clone()]), one);
        assert_eq!(vclusters([account.clone()]), one);
        assert_eq!(vclusters([account, workload]), one);
    }

    #[test]
    fn an_object_registers_one_with_its_own_account() {
        let object = json!({
            "apiVersion": "bylaw.dev/v1alpha1", "kind": "VirtualCluster", "metadata": {"namespace": "a", "name": "dev"},
            "spec": {"serviceAccountName": "other", "version": "0.30.0"},
        });
        assert_eq!(vclusters([object]).unwrap(), ["a/dev 0.30.0 system:serviceaccount:a:other"]);
    }

    #[test]
    fn an_inventory_without_any_tells_nothing() {
        let other = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"namespace": "a", "name": "db"}, "spec": {},
        });
        assert_eq!(vclusters([other]), None);
        assert_eq!(vclusters([]), None);
    }

    #[test]
    fn a_name_without_a_namespace_is_refused() {
        assert_eq!(&*named("a/dev").unwrap().account, "system:serviceaccount:a:vc-dev");
        for bad in ["dev", "a/", "/dev", "a/b/c", "A/b"] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }
}
