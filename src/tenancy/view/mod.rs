//! `virtual`: an object of the host as its tenant knows it. It is made of what the syncer alone can have written and of
//! what passes as the tenant wrote it; what a syncer overwrote without a trace is left out.

mod metadata;
mod pod;
mod references;
mod selectors;

use serde_json::Value;

use super::Synced;
use super::names;
use super::vcluster::VirtualCluster;
use crate::review::{JsonText, tree};
use metadata::Notes;
pub(in crate::tenancy) use references::{each, names_in, rename};
pub(in crate::tenancy) use selectors::{AFFINITY, SPREAD};

/// Labels of namespaces whose keys are the same everywhere: of a hash alone no key can be made.
const NAMESPACE_LABELS: [&str; 4] = [
    "kubernetes.io/metadata.name",
    "name",
    "pod-security.kubernetes.io/enforce",
    "pod-security.kubernetes.io/enforce-version",
];

/// The way back from the host's names to those of one namespace of a virtual cluster.
struct Back<'a> {
    vcluster: &'a VirtualCluster,
    namespace: &'a str,
    /// The keys that a syncer rewrites, and what it makes of them.
    labels: [(String, &'static str); 4],
}

impl<'a> Back<'a> {
    fn new(vcluster: &'a VirtualCluster, namespace: &'a str) -> Self {
        let labels = names::REWRITTEN.map(|key| (names::host_label(key, &vcluster.name), key));
        Self { vcluster, namespace, labels }
    }

    fn name(&self, host: &str) -> Option<String> {
        names::virtual_name(host, self.namespace, &self.vcluster.name)
    }

    fn cluster_name(&self, host: &str) -> Option<String> {
        names::cluster_scoped_virtual_name(host, &self.vcluster.namespace, &self.vcluster.name)
    }

    fn label(&self, host: &str) -> Option<&'static str> {
        self.labels.iter().find(|(key, _)| key == host).map(|(_, key)| *key)
    }

    fn namespace_label(&self, host: &str) -> Option<&'static str> {
        NAMESPACE_LABELS.into_iter().find(|key| names::host_namespace_label(key, &self.vcluster.name) == host)
    }
}

impl Synced {
    /// The object as the tenant knows it, as JSON. `None` for what is no object.
    #[must_use]
    pub fn view(&self, object: &JsonText) -> Option<JsonText> {
        Some(JsonText::of(&self.view_of(tree(object.as_str()).ok()?)))
    }

    fn view_of(&self, mut object: Value) -> Value {
        let namespace = self.claims.object_namespace();
        let back = Back::new(&self.vcluster, namespace);
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let notes = Notes::of(&object);
        metadata::back(&mut object, &kind, &self.claims, &notes, &back);
        for path in references::names_in(&kind) {
            references::rename(&mut object, path, &|host| back.name(host));
        }
        for path in references::cluster_names_in(&kind) {
            references::rename(&mut object, path, &|host| back.cluster_name(host));
        }
        selectors::back(&mut object, &kind, &back);
        match &*kind {
            "Pod" => pod::back(&mut object, self.claims.object_name(), &notes, &back),
            "ServiceAccount" => {
                drop(object.as_object_mut().and_then(|all| all.shift_remove("automountServiceAccountToken")));
            }
            "Endpoints" | "EndpointSlice" => {
                for path in [
                    "subsets/*/addresses/*/targetRef",
                    "subsets/*/notReadyAddresses/*/targetRef",
                    "endpoints/*/targetRef",
                ] {
                    references::each(&mut object, path, &mut |target| {
                        if target.get("namespace").is_some_and(|home| *home == *back.vcluster.namespace) {
                            target["namespace"] = namespace.into();
                        }
                    });
                }
            }
            _ => {}
        }
        object
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
