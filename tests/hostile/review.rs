//! The review that one policy of the corpus, or the neighbour, matches.

use serde_json::{Value, json};

/// A pod with the label `name: "true"`.
pub fn of(name: &str) -> Value {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "labels": {name: "true", "app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "nginx:1.29"}, {"name": "side", "image": "busybox@sha256:0"}]},
    });
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": name, "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
        "name": "web", "namespace": "shop", "operation": "CREATE", "userInfo": {"username": "mallory", "groups": []},
        "object": object, "oldObject": null, "dryRun": false, "options": null,
    }})
}
