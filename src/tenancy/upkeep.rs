//! What keeps a virtual cluster going, and is never refused there: what its syncer writes back of the host, what the
//! controllers of Kubernetes write of their own accord, and what it takes to come up.
//!
//! The syncer asks as an admin of the virtual cluster, and so does a tenant with the kubeconfig that vCluster hands out: who
//! asks is no proof. So only what a syncer has to write is let through, never what starts something new.

use serde::Deserialize;
use serde_json::Value;

use super::resolve::{CONTROL_PLANE, CONTROLLERS};
use crate::review::{AdmissionRequest, Operation};

/// As the syncer asks, and whoever has its kubeconfig.
const ADMINS: &str = "system:masters";

const KUBELETS: &str = "system:node:";

/// Controllers make these because a user asked for something else, and they are judged as if he had made them himself. All
/// else that controllers write is bookkeeping.
const MADE_FOR_USERS: [(&str, &str); 4] =
    [("", "pods"), ("", "persistentvolumeclaims"), ("apps", "replicasets"), ("batch", "jobs")];

/// What comes from the host, and is in the virtual cluster because it is there.
const FROM_HOST: [(&str, &str); 8] = [
    ("", "nodes"),
    ("", "events"),
    ("events.k8s.io", "events"),
    ("", "endpoints"),
    ("discovery.k8s.io", "endpointslices"),
    ("coordination.k8s.io", "leases"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "csidrivers"),
];

/// Subresources that tell what became of something.
const BACK: [(&str, &str); 3] = [("pods", "binding"), ("serviceaccounts", "token"), ("namespaces", "finalize")];

/// Where a virtual cluster comes up …
const SYSTEM: &str = "kube-system";
/// … and what its syncer installs there before anything of the tenant's can run.
const BOOTSTRAP: [&str; 2] = ["coredns", "kube-dns"];

/// Whether a request to a virtual cluster is part of that.
pub(super) fn is_upkeep(request: &AdmissionRequest) -> bool {
    let user = &*request.user.username;
    if CONTROL_PLANE.contains(&user) || user.starts_with(CONTROLLERS) || user.starts_with(KUBELETS) {
        return !is_made_for_user(request);
    }
    request.user.groups.iter().any(|group| group == ADMINS) && is_back_sync(request)
}

fn is_made_for_user(request: &AdmissionRequest) -> bool {
    request.operation == Operation::Create
        && request.sub_resource.is_empty()
        && request.namespace != SYSTEM
        && is_one_of(&MADE_FOR_USERS, request)
}

fn is_back_sync(request: &AdmissionRequest) -> bool {
    let (resource, sub) = (&*request.resource.resource, &*request.sub_resource);
    if !sub.is_empty() {
        return sub == "status" || BACK.contains(&(resource, sub));
    }
    if is_one_of(&FROM_HOST, request) {
        return true;
    }
    match request.operation {
        Operation::Create => is_bootstrap(request),
        Operation::Update => is_bootstrap(request) || is_of_host(request),
        Operation::Delete => resource == "pods" && is_over(request),
        Operation::Connect => false,
    }
}

fn is_one_of(list: &[(&str, &str)], request: &AdmissionRequest) -> bool {
    list.contains(&(&*request.resource.group, &*request.resource.resource))
}

fn is_bootstrap(request: &AdmissionRequest) -> bool {
    request.namespace == SYSTEM && BOOTSTRAP.contains(&&*request.name)
}

/// A pod that has ended on the host already: it is deleted at once, or has been told to end.
fn is_over(request: &AdmissionRequest) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Options {
        grace_period_seconds: Option<i64>,
    }
    let options = request.options.as_ref().and_then(|text| serde_json::from_str::<Options>(text.as_str()).ok());
    let is_at_once = options.is_some_and(|options| options.grace_period_seconds == Some(0));
    let before = request.old_object.as_ref().and_then(|text| serde_json::from_str::<Value>(text.as_str()).ok());
    let deleted = before.as_ref().and_then(|before| before.pointer("/metadata/deletionTimestamp"));
    is_at_once || deleted.is_some_and(Value::is_string)
}

/// Whether nothing changes but labels, annotations, the status, and what the host decides.
fn is_of_host(request: &AdmissionRequest) -> bool {
    let left = |text: &crate::review::JsonText| {
        let mut object: Value = serde_json::from_str(text.as_str()).ok()?;
        let fields = object.as_object_mut()?;
        fields.remove("metadata");
        fields.remove("status");
        if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
            for field in decided_by_host(&request.resource.resource) {
                spec.remove(*field);
            }
        }
        Some(object)
    };
    let (now, before) = (request.object.as_ref().and_then(left), request.old_object.as_ref().and_then(left));
    now.is_some() && now == before
}

/// The fields of a spec that the syncer writes back.
fn decided_by_host(resource: &str) -> &'static [&'static str] {
    match resource {
        "pods" => &["nodeName"],
        "services" => &["clusterIP", "clusterIPs", "healthCheckNodePort", "ipFamilies"],
        "persistentvolumeclaims" => &["storageClassName", "volumeName"],
        _ => &[],
    }
}

#[cfg(test)]
#[path = "upkeep_tests.rs"]
mod tests;
