//! What the vCluster chart makes on the host, as far as a syncer and whoever looks for it need it.

use serde_json::{Value, json};

use crate::bylaw::path_in;
use crate::world::World;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Makes it, and with the token that a kubelet would have given the syncer's pod.
pub fn install(world: &World, namespace: &str, name: &str) -> String {
    let api = &world.api;
    let account = format!("vc-{name}");
    for account in [account.clone(), format!("vc-workload-{name}")] {
        let object = labelled("v1", "ServiceAccount", &account, name, json!({}));
        api.post(&path_in(namespace, "serviceaccounts"), &object).object();
    }
    rights(world, namespace, name);
    let service = labelled(
        "v1",
        "Service",
        name,
        name,
        json!({"spec": {
            "selector": {"app": "vcluster", "release": name}, "ports": [{"name": "https", "port": 443, "targetPort": 8443}],
        }}),
    );
    api.post(&path_in(namespace, "services"), &with_label(service, "vcluster.loft.sh/service", "true")).object();
    let config =
        labelled("v1", "Secret", &format!("vc-config-{name}"), name, json!({"stringData": {"config.yaml": "{}"}}));
    api.post(&path_in(namespace, "secrets"), &config).object();
    api.post(&path_in(namespace, "apps/v1/statefulsets"), &workload(name)).object();
    // Nothing runs here that would make it.
    let pod = json!({"spec": template(name)["spec"].clone()});
    let pod = api.post(&path_in(namespace, "pods"), &labelled("v1", "Pod", &format!("{name}-0"), name, pod)).object();
    token(world, namespace, &account, &pod)
}

/// The `StatefulSet` of its control plane.
pub fn workload(name: &str) -> Value {
    labelled(
        "apps/v1",
        "StatefulSet",
        name,
        name,
        json!({"spec": {
            "replicas": 1, "serviceName": format!("{name}-headless"),
            "selector": {"matchLabels": {"app": "vcluster", "release": name}}, "template": template(name),
        }}),
    )
}

fn template(name: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "vcluster", "release": name}},
        "spec": {
            "serviceAccountName": format!("vc-{name}"),
            "containers": [{"name": "syncer", "image": "ghcr.io/loft-sh/vcluster-oss:0.36.0"}],
        },
    })
}

fn rights(world: &World, namespace: &str, name: &str) {
    let subject = json!([{"kind": "ServiceAccount", "name": format!("vc-{name}"), "namespace": namespace}]);
    let of = |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    let (role, cluster_role) = (format!("vc-{name}"), format!("vc-{name}-v-{namespace}"));
    let allowing = |verbs: &[&str]| json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": verbs}]});
    let v1 = "rbac.authorization.k8s.io/v1";
    let make = |path: &str, object: &Value| drop(world.api.post(path, object).object());
    let within = |plural: &str| format!("{RBAC}/namespaces/{namespace}/{plural}");
    make(&within("roles"), &labelled(v1, "Role", &role, name, allowing(&["*"])));
    let binding = json!({"subjects": subject, "roleRef": of("Role", &role)});
    make(&within("rolebindings"), &labelled(v1, "RoleBinding", &role, name, binding));
    let everywhere = |plural: &str| format!("{RBAC}/{plural}");
    make(
        &everywhere("clusterroles"),
        &labelled(v1, "ClusterRole", &cluster_role, name, allowing(&["get", "list", "watch"])),
    );
    let binding = json!({"subjects": subject, "roleRef": of("ClusterRole", &cluster_role)});
    make(&everywhere("clusterrolebindings"), &labelled(v1, "ClusterRoleBinding", &cluster_role, name, binding));
}

fn token(world: &World, namespace: &str, account: &str, pod: &Value) -> String {
    let bound =
        json!({"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]});
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600, "boundObjectRef": bound},
    });
    let path = path_in(namespace, &format!("serviceaccounts/{account}/token"));
    world.api.post(&path, &request).object()["status"]["token"].as_str().expect("a token").to_owned()
}

fn labelled(api_version: &str, kind: &str, name: &str, release: &str, rest: Value) -> Value {
    let labels = json!({"app": "vcluster", "release": release, "chart": "vcluster-0.36.0", "heritage": "Helm"});
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": labels}});
    if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
        object.extend(rest);
    }
    object
}

fn with_label(mut object: Value, key: &str, value: &str) -> Value {
    object["metadata"]["labels"][key] = value.into();
    object
}
