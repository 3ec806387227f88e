//! What has been seen of virtual clusters and tenants so far, by where it was seen; what cannot be read is said once and
//! left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tracing::{info, warn};

use super::owner::TenantObject;
use super::registry::{MOST_TENANTS, MOST_VCLUSTERS, Registry};
use super::vcluster::VirtualCluster;
use crate::review::clip::clip;

/// Where virtual clusters and tenants are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    StatefulSets,
    Deployments,
    VirtualClusters,
    Tenants,
}

/// An object by its namespace and name.
pub(super) type Key = (String, String);

/// One source's objects, read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    vclusters: BTreeMap<Key, Arc<VirtualCluster>>,
    tenants: BTreeMap<Key, Arc<TenantObject>>,
}

pub(super) fn key(object: &Value) -> Key {
    let text = |field: &str| object.pointer(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/metadata/namespace"), text("/metadata/name"))
}

impl Seen {
    /// Takes in an object as it is now; whether anything is other than before.
    pub(super) fn take(&mut self, source: Source, object: &Value) -> bool {
        let key = key(object);
        match source {
            Source::StatefulSets | Source::Deployments => self.vcluster(key, VirtualCluster::of_workload(object)),
            Source::VirtualClusters => self.vcluster(key, VirtualCluster::of_object(object)),
            Source::Tenants => {
                if self.tenants.len() >= MOST_TENANTS && !self.tenants.contains_key(&key) {
                    warn!(tenant = clip(&key.1, 64), "Tenant without effect: there are {MOST_TENANTS} already");
                    return false;
                }
                match TenantObject::read(object) {
                    Ok(tenant) => drop(self.tenants.insert(key, Arc::new(tenant))),
                    Err(error) => {
                        warn!(tenant = clip(&key.1, 64), "Tenant without effect: {error}");
                        self.tenants.remove(&key);
                    }
                }
                true
            }
        }
    }

    /// A `ServiceAccount` of the vCluster chart, where there may be nothing else of it.
    pub(super) fn take_account(&mut self, object: &Value) {
        // One of another chart is none of ours, and no fault.
        if let Ok(vcluster) = VirtualCluster::of_account(object) {
            self.vcluster((vcluster.namespace.to_string(), vcluster.name.to_string()), Ok(vcluster));
        }
    }

    /// One that somebody names outright.
    pub(super) fn take_named(&mut self, vcluster: &VirtualCluster) {
        let key = (vcluster.namespace.to_string(), vcluster.name.to_string());
        self.vclusters.insert(key, Arc::new(vcluster.clone()));
    }

    fn vcluster(&mut self, key: Key, read: Result<VirtualCluster, super::NotOne>) -> bool {
        let (namespace, name) = (clip(&key.0, 64).to_owned(), clip(&key.1, 64).to_owned());
        match read {
            Ok(vcluster) => {
                let known = self.vclusters.get(&key);
                if known.is_some_and(|known| **known == vcluster) {
                    return false;
                }
                if known.is_none() && self.vclusters.len() >= MOST_VCLUSTERS {
                    warn!(namespace, name, "a virtual cluster is not guarded: there are {MOST_VCLUSTERS} already");
                    return false;
                }
                if known.is_none_or(|known| known.version != vcluster.version) {
                    tell(&vcluster);
                }
                self.vclusters.insert(key, Arc::new(vcluster));
                true
            }
            Err(error) => {
                warn!(namespace, name, "it looks like a virtual cluster and is not guarded: {error}");
                self.vclusters.remove(&key).is_some()
            }
        }
    }

    /// Forgets an object; whether it was known.
    pub(super) fn forget(&mut self, key: &Key) -> bool {
        let gone = self.vclusters.remove(key);
        if let Some(vcluster) = &gone {
            info!(namespace = &*vcluster.namespace, name = &*vcluster.name, "a virtual cluster is gone");
        }
        gone.is_some() | self.tenants.remove(key).is_some()
    }
}

fn tell(vcluster: &VirtualCluster) {
    let VirtualCluster { namespace, name, version, state, .. } = vcluster;
    let (namespace, name, state) = (&**namespace, &**name, state.as_str());
    if vcluster.has_known_syncer() {
        info!(namespace, name, version = &**version, state, "a virtual cluster is guarded");
    } else {
        let version = if version.is_empty() { "(none)" } else { version };
        warn!(
            namespace,
            name,
            version,
            state,
            "a virtual cluster is guarded, but what a syncer of its version does is not known: it is taken for the strictest"
        );
    }
}

/// All of it as one set. An object that registers a virtual cluster stands over its workload.
pub(super) fn registry<'s>(seen: impl IntoIterator<Item = (Source, &'s Seen)>) -> Registry {
    let (mut found, mut registered, mut tenants) = (Vec::new(), Vec::new(), Vec::new());
    for (source, seen) in seen {
        let vclusters = if source == Source::VirtualClusters { &mut registered } else { &mut found };
        vclusters.extend(seen.vclusters.values().cloned());
        tenants.extend(seen.tenants.values().cloned());
    }
    Registry::new(found, registered, tenants)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workload(namespace: &str, version: &str) -> Value {
        json!({
            "metadata": {"namespace": namespace, "name": "dev", "labels": {"release": "dev", "chart": format!("vcluster-{version}")}},
            "spec": {"template": {"spec": {"containers": [{"name": "syncer"}]}}},
        })
    }

    fn names(registry: &Registry) -> Vec<String> {
        registry.vclusters().map(|one| format!("{}/{} {}", one.namespace, one.name, one.version)).collect()
    }

    #[test]
    fn what_is_deleted_leaves_nothing_behind() {
        let mut seen = Seen::default();
        for round in 0..10 {
            assert!(seen.take(Source::StatefulSets, &workload("a", "0.36.0")), "{round}");
            assert!(!seen.take(Source::StatefulSets, &workload("a", "0.36.0")), "the same again changes nothing");
            assert_eq!(names(&registry([(Source::StatefulSets, &seen)])), ["a/dev 0.36.0"]);
            assert!(seen.forget(&("a".to_owned(), "dev".to_owned())));
            assert!(!seen.forget(&("a".to_owned(), "dev".to_owned())));
            assert_eq!(registry([(Source::StatefulSets, &seen)]).vclusters().len(), 0);
        }
        assert!(seen.vclusters.is_empty() && seen.tenants.is_empty());
    }

    #[test]
    fn garbage_is_left_out_and_takes_nothing_else_along() {
        let mut seen = Seen::default();
        seen.take(Source::StatefulSets, &workload("a", "0.36.0"));
        for garbage in [
            json!(null),
            json!({"metadata": 7}),
            json!({"metadata": {"namespace": "b", "name": "x", "labels": {"release": "x"}}}),
        ] {
            seen.take(Source::StatefulSets, &garbage);
            seen.take(Source::Tenants, &garbage);
        }
        assert_eq!(names(&registry([(Source::StatefulSets, &seen)])), ["a/dev 0.36.0"]);
        let mut broken = workload("a", "0.36.0");
        broken["spec"] = json!([]);
        assert!(seen.take(Source::StatefulSets, &broken), "what it was before holds no more");
        assert_eq!(registry([(Source::StatefulSets, &seen)]).vclusters().len(), 0);
    }

    #[test]
    fn a_workload_that_is_upgraded_is_known_by_its_new_version() {
        let mut seen = Seen::default();
        seen.take(Source::StatefulSets, &workload("a", "0.30.0"));
        assert!(seen.take(Source::StatefulSets, &workload("a", "0.99.0")));
        let known = registry([(Source::StatefulSets, &seen)]);
        let vcluster = known.at("a", "dev").unwrap();
        assert!(!vcluster.has_known_syncer());
        assert_eq!(&*vcluster.version, "0.99.0");
    }
}
