//! The copy that a syncer would make of a tenant's object: the way opposite to `view`. What only the syncer knows, addresses
//! and tokens and the labels of the tenant's namespaces, is left out; a policy that asks for it says more on the host.

mod metadata;
mod pod;
mod selectors;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::review::{Limits, Operation, Review, parse, tree};
use crate::tenancy::names;
use crate::tenancy::vcluster::VirtualCluster;
use crate::tenancy::view::{each, names_in, rename};

/// The way from a virtual cluster's names to those of the host.
pub(super) struct Forward<'a> {
    vcluster: &'a VirtualCluster,
    namespace: &'a str,
}

impl Forward<'_> {
    fn name(&self, name: &str) -> String {
        names::host_name(name, self.namespace, &self.vcluster.name)
    }

    fn label(&self, key: &str) -> Option<String> {
        names::REWRITTEN.contains(&key).then(|| names::host_label(key, &self.vcluster.name))
    }

    /// Whether a key is what one of the tenant's becomes.
    fn is_rewritten(&self, key: &str) -> bool {
        names::REWRITTEN.iter().any(|own| names::host_label(own, &self.vcluster.name) == key)
    }

    fn namespace_label(&self, key: &str) -> String {
        names::host_namespace_label(key, &self.vcluster.name)
    }
}

/// The review that the host would ask for the copy, as its syncer. `None` for what is about no object in a namespace.
#[must_use]
pub fn project(vcluster: &Arc<VirtualCluster>, review: &Review) -> Option<Review> {
    let request = &review.request;
    let namespace = &*request.namespace;
    if namespace.is_empty() || !matches!(request.operation, Operation::Create | Operation::Update) {
        return None;
    }
    let forward = Forward { vcluster, namespace };
    let read = |text: &crate::review::JsonText| tree(text.as_str()).ok().filter(Value::is_object);
    let object = copy(read(request.object.as_ref()?)?, &request.kind.kind, &forward);
    let old = request.old_object.as_ref().and_then(read).map(|old| copy(old, &request.kind.kind, &forward));
    let name = object.pointer("/metadata/name").cloned()?;
    let (kind, resource) = (&request.kind, &request.resource);
    let home = &*vcluster.namespace;
    let groups =
        ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{home}"), "system:authenticated".into()];
    let body = json!({
        "apiVersion": review.version.as_str(), "kind": "AdmissionReview",
        "request": {
            "uid": request.uid,
            "kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
            "resource": {"group": resource.group, "version": resource.version, "resource": resource.resource},
            "subResource": request.sub_resource,
            "name": name, "namespace": home, "operation": request.operation.as_str(),
            "userInfo": {"username": &*vcluster.account, "groups": groups},
            "object": object, "oldObject": old, "dryRun": true,
        },
    });
    parse(body.to_string().into(), &Limits::default()).ok()
}

fn copy(mut object: Value, kind: &str, forward: &Forward<'_>) -> Value {
    let about = metadata::About::of(&object);
    for path in names_in(kind) {
        // A claim may be made of what is no claim, and keeps its name.
        if kind != "PersistentVolumeClaim" || is_of_claim(&object, path) {
            rename(&mut object, path, &|name| Some(forward.name(name)));
        }
    }
    selectors::forward(&mut object, kind, forward);
    metadata::forward(&mut object, kind, &about, forward);
    match kind {
        "Pod" => pod::forward(&mut object, &about, forward),
        "ServiceAccount" => {
            if let Some(fields) = object.as_object_mut() {
                fields.insert("automountServiceAccountToken".to_owned(), false.into());
            }
            remove(&mut object, &["secrets", "imagePullSecrets"]);
        }
        "Endpoints" | "EndpointSlice" => {
            for path in
                ["subsets/*/addresses/*/targetRef", "subsets/*/notReadyAddresses/*/targetRef", "endpoints/*/targetRef"]
            {
                each(&mut object, path, &mut |target| {
                    if target.get("namespace").is_some_and(|namespace| *namespace == *forward.namespace) {
                        target["namespace"] = (*forward.vcluster.namespace).into();
                    }
                });
            }
        }
        _ => {}
    }
    object
}

fn is_of_claim(claim: &Value, path: &str) -> bool {
    let source = path.strip_prefix("spec/").and_then(|path| path.strip_suffix("/name")).unwrap_or_default();
    claim
        .get("spec")
        .and_then(|spec| spec.get(source))
        .and_then(|source| source.get("kind"))
        .is_some_and(|kind| kind == "PersistentVolumeClaim")
}

fn remove(object: &mut Value, keys: &[&str]) {
    if let Some(fields) = object.as_object_mut() {
        for key in keys {
            fields.shift_remove(*key);
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
