//! Metadata as the syncer writes it: its marks, and the tenant's own labels and annotations.

use serde_json::{Map, Value, json};

use super::Forward;
use super::selectors::rekeyed;
use crate::tenancy::names::{MANAGED_BY, NAMESPACE_LABEL, PREFIX};

/// What the syncer never takes over from a tenant's annotations.
const OWN: [&str; 2] = ["vcluster.loft.sh/managed-annotations", "vcluster.loft.sh/managed-labels"];
const OBJECT: &str = "vcluster.loft.sh/object-";
const OF_NAMESPACE: &str = "vcluster.loft.sh/ns-label-";

/// Made anew on the host.
const NOT_COPIED: [&str; 8] = [
    "creationTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

const EVICTABLE: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
const OF_DAEMON_SET: &str = "cluster-autoscaler.kubernetes.io/daemonset-pod";
const OWNER_SETS: [&str; 4] = ["DaemonSet", "Job", "ReplicaSet", "StatefulSet"];

/// What the tenant's object says of itself.
pub(super) struct About {
    pub name: String,
    uid: String,
    labels: Map<String, Value>,
    owners: Vec<Value>,
    pub account: String,
}

impl About {
    pub(super) fn of(object: &Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut name = text("/metadata/name");
        if name.is_empty() {
            // The API server adds five characters that nobody knows yet.
            name = format!("{}00000", text("/metadata/generateName"));
        }
        let labels = object.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
        let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array).cloned().unwrap_or_default();
        Self { name, uid: text("/metadata/uid"), labels, owners, account: text("/spec/serviceAccountName") }
    }

    fn controller(&self) -> Option<&Value> {
        self.owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
    }
}

pub(super) fn forward(object: &mut Value, kind: &str, about: &About, forward: &Forward<'_>) {
    let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or("v1").to_owned();
    if object.get("metadata").is_none_or(|metadata| !metadata.is_object()) {
        object["metadata"] = json!({});
    }
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for key in NOT_COPIED {
        metadata.shift_remove(key);
    }
    let (vcluster, host) = (forward.vcluster, forward.name(&about.name));
    metadata.insert("name".to_owned(), host.as_str().into());
    metadata.insert("namespace".to_owned(), (*vcluster.namespace).into());
    let is_controlled = about.controller().is_some();
    let owner =
        json!({"apiVersion": "v1", "kind": "Service", "name": &*vcluster.name, "uid": "", "controller": is_controlled});
    metadata.insert("ownerReferences".to_owned(), json!([owner]));

    let mut labels = about.labels.clone();
    // What looks like a syncer's own is not taken over.
    labels.retain(|key, _| !key.starts_with(OF_NAMESPACE) && !forward.is_rewritten(key));
    rekeyed(&mut labels, forward);
    labels.insert(MANAGED_BY.to_owned(), (*vcluster.name).into());
    labels.insert(NAMESPACE_LABEL.to_owned(), forward.namespace.into());
    if kind == "Pod" {
        let key = forward.namespace_label("kubernetes.io/metadata.name");
        labels.insert(key, forward.namespace.into());
    }
    if let Some(service) = labels.get_mut("kubernetes.io/service-name").filter(|_| kind == "EndpointSlice")
        && let Some(name) = service.as_str().map(|name| forward.name(name))
    {
        *service = name.into();
    }
    metadata.insert("labels".to_owned(), Value::Object(labels));

    let mut annotations = match metadata.shift_remove("annotations") {
        Some(Value::Object(annotations)) => annotations,
        _ => Map::new(),
    };
    annotations.retain(|key, _| !OWN.contains(&key.as_str()) && !key.starts_with(OBJECT));
    let mut managed: Vec<&str> = annotations.keys().map(String::as_str).collect();
    managed.sort_unstable();
    let managed = managed.join("\n");
    if kind == "Pod" {
        of_pod(&mut annotations, about, forward);
    }
    let mut mark = |key: &str, value: &str| annotations.insert(format!("{PREFIX}{key}"), value.into());
    if !managed.is_empty() {
        mark("managed-annotations", &managed);
    }
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    mark("object-kind", &format!("{group}/{version}, Kind={kind}"));
    mark("object-name", &about.name);
    mark("object-namespace", forward.namespace);
    mark("object-uid", &about.uid);
    mark("object-host-name", &host);
    mark("object-host-namespace", &vcluster.namespace);
    metadata.insert("annotations".to_owned(), Value::Object(annotations));
}

/// An owner's fields as a syncer writes them.
fn in_order(owner: &Value) -> Value {
    const FIELDS: [&str; 6] = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let fields = FIELDS.into_iter().filter_map(|field| Some((field.to_owned(), owner.get(field)?.clone())));
    Value::Object(fields.collect())
}

/// The notes of a pod. What the tenant wrote under these keys stays; an empty text counts as none.
fn of_pod(annotations: &mut Map<String, Value>, about: &About, forward: &Forward<'_>) {
    for (key, value) in [
        ("name", &*about.name),
        ("namespace", forward.namespace),
        ("uid", &about.uid),
        ("service-account-name", &about.account),
    ] {
        let key = format!("{PREFIX}{key}");
        if annotations.get(&key).is_none_or(|own| own == "") {
            annotations.insert(key, value.into());
        }
    }
    let mut lines: Vec<String> = about.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    lines.sort_unstable();
    let mut note = |key: &str, value: Value| {
        annotations.entry(key.to_owned()).or_insert(value);
    };
    note("vcluster.loft.sh/labels", lines.join("\n").into());
    let controller = about.controller();
    note(EVICTABLE, if controller.is_some() { "true" } else { "false" }.into());
    if controller.is_some_and(|owner| owner.get("kind").is_some_and(|kind| kind == "DaemonSet")) {
        note(OF_DAEMON_SET, "true".into());
    }
    if about.owners.is_empty() {
        return;
    }
    let owners: Value = about.owners.iter().map(in_order).collect();
    note("vcluster.loft.sh/owner-references", owners.to_string().into());
    let is_set = |owner: &&Value| {
        let kind = owner.get("kind").and_then(Value::as_str).unwrap_or_default();
        owner.get("apiVersion").is_some_and(|version| version == "apps/v1") && OWNER_SETS.contains(&kind)
    };
    if let Some(kind) = about.owners.iter().find(is_set).and_then(|owner| owner.get("kind")) {
        note("vcluster.loft.sh/owner-set-kind", kind.clone());
    }
}
