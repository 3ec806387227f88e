//! Metadata, back to what the tenant wrote: without the marks of the syncer, and without what only the host knows.

use serde_json::{Map, Value};

use super::Back;
use super::selectors::rekeyed;
use crate::tenancy::Claims;
use crate::tenancy::names::{MANAGED_BY, NAMESPACE_LABEL, PREFIX};

/// Of the host's copy alone.
const OF_HOST: [&str; 8] = [
    "creationTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
];

/// The keys of those annotations that came from the tenant, one a line.
const MANAGED_ANNOTATIONS: &str = "vcluster.loft.sh/managed-annotations";

/// What a syncer tells the autoscaler of a pod.
const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";

/// What the syncer noted down of a pod, where the tenant did not write the note himself.
pub(super) struct Notes {
    pub owner_references: Option<Value>,
    pub service_account: Option<String>,
    /// It gave the pod a container that writes the names of its kin into its hosts file.
    pub rewrites_hosts: bool,
}

impl Notes {
    pub(super) fn of(object: &Value) -> Self {
        let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
        let text = |key: &str| annotations.and_then(|all| all.get(key)).and_then(Value::as_str);
        let tenants = text(MANAGED_ANNOTATIONS).unwrap_or_default();
        let noted = |key: &str| text(key).filter(|_| !tenants.lines().any(|line| line == key));
        let references = noted("vcluster.loft.sh/owner-references").and_then(|text| serde_json::from_str(text).ok());
        Self {
            owner_references: references.filter(Value::is_array),
            service_account: noted("vcluster.loft.sh/service-account-name").map(str::to_owned),
            rewrites_hosts: noted("vcluster.loft.sh/hosts-rewritten").is_some(),
        }
    }
}

pub(super) fn back(object: &mut Value, kind: &str, claims: &Claims, notes: &Notes, back: &Back<'_>) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for key in OF_HOST {
        metadata.shift_remove(key);
    }
    put(metadata, "name", claims.object_name());
    put(metadata, "namespace", claims.object_namespace());
    put(metadata, "uid", claims.object_uid());
    if let Some(Value::Object(labels)) = metadata.get_mut("labels") {
        labels.retain(|key, _| key != MANAGED_BY && key != NAMESPACE_LABEL && !is_of_namespace(key));
        rekeyed(labels, back);
        if let Some(service) = labels.get_mut("kubernetes.io/service-name").filter(|_| kind == "EndpointSlice")
            && let Some(name) = service.as_str().and_then(|name| back.name(name))
        {
            *service = name.into();
        }
    }
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        let tenants = annotations.get(MANAGED_ANNOTATIONS).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_tenants = |key: &str| tenants.lines().any(|line| line == key);
        annotations.retain(|key, _| !key.starts_with(PREFIX) && (key != SAFE_TO_EVICT || is_tenants(key)));
    }
    for key in ["labels", "annotations"] {
        if metadata.get(key).and_then(Value::as_object).is_some_and(Map::is_empty) {
            metadata.shift_remove(key);
        }
    }
    if let Some(references) = &notes.owner_references {
        metadata.insert("ownerReferences".to_owned(), references.clone());
    }
}

/// An empty text stands for none.
fn put(metadata: &mut Map<String, Value>, key: &str, text: &str) {
    if text.is_empty() {
        metadata.shift_remove(key);
    } else {
        metadata.insert(key.to_owned(), text.into());
    }
}

fn is_of_namespace(key: &str) -> bool {
    key.starts_with("vcluster.loft.sh/ns-label-")
}
