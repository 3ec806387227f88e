//! What the vCluster chart makes on the host, as far as whoever looks for it needs it.

use serde_json::{Value, json};

/// The `StatefulSet` of a control plane.
pub fn workload(name: &str) -> Value {
    let labels = json!({"app": "vcluster", "release": name, "chart": "vcluster-0.36.0", "heritage": "Helm"});
    let selected = json!({"app": "vcluster", "release": name});
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1, "serviceName": format!("{name}-headless"), "selector": {"matchLabels": selected},
            "template": {"metadata": {"labels": selected}, "spec": {
                "serviceAccountName": format!("vc-{name}"),
                "containers": [{"name": "syncer", "image": "ghcr.io/loft-sh/vcluster-oss:0.36.0"}],
            }},
        },
    })
}
