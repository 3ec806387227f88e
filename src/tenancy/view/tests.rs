//! Against pairs that real syncers of two versions made: the tenant's object, and its copy on the host.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::references::{each, names_in};
use super::*;
use crate::tenancy::Claims;

fn folder(version: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/vcluster")).join(version)
}

fn read(version: &str, name: &str, side: &str) -> Value {
    let text = std::fs::read_to_string(folder(version).join(format!("{name}.{side}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Names of all pairs of a version.
fn pairs(version: &str) -> Vec<String> {
    let files =
        std::fs::read_dir(folder(version)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = files.filter_map(|file| Some(file.strip_suffix(".virtual.json")?.to_owned())).collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

fn synced(host: &Value, version: &str) -> Synced {
    let claims = Claims::of(Some(&JsonText::of(host))).expect("a synced object has the marks of its syncer");
    let vcluster = Arc::new(VirtualCluster::new("vc-tenant1", "tenant1", None, version).unwrap());
    assert!(claims.fits(&vcluster), "{host}");
    Synced { vcluster, claims: Arc::new(claims) }
}

fn view(host: &Value) -> Value {
    let text = synced(host, "").view(&JsonText::of(host)).unwrap();
    serde_json::from_str(text.as_str()).unwrap()
}

/// What no copy tells any more: the tenant's object without it is all there is to know.
fn known(mut tenants: Value) -> Value {
    let metadata = tenants["metadata"].as_object_mut().unwrap();
    for key in ["creationTimestamp", "finalizers", "generateName", "generation", "resourceVersion"] {
        metadata.shift_remove(key);
    }
    if let Some(spec) = tenants.get_mut("spec").and_then(Value::as_object_mut) {
        for key in ["automountServiceAccountToken", "enableServiceLinks"] {
            spec.shift_remove(key);
        }
    }
    each(&mut tenants, "spec/volumes/*/projected/sources/*/serviceAccountToken", &mut |token| {
        token.as_object_mut().unwrap().shift_remove("expirationSeconds");
    });
    tenants
}

/// What the recorded host had its own way in, by a webhook there; and selectors by labels of namespaces, of whose keys
/// only a hash is left.
fn differing(name: &str) -> &'static [&'static str] {
    match name {
        "muttol" => &["/spec/tolerations"],
        "mutsel" => &["/spec/nodeSelector"],
        "networkpolicy" => &["/spec/ingress/0/from/1/namespaceSelector/matchLabels"],
        "pod-forged" => {
            &["/metadata/annotations", "/metadata/labels", "/spec/serviceAccount", "/spec/serviceAccountName"]
        }
        _ => &[],
    }
}

fn without(mut object: Value, pointers: &[&str]) -> Value {
    for pointer in pointers {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.shift_remove(key);
        }
    }
    object
}

/// In whatever order the members stand.
fn assert_same(found: &Value, expected: &Value, what: &str) {
    let pretty = |value: &Value| serde_json::to_string_pretty(&sorted(value)).unwrap();
    assert_eq!(pretty(found), pretty(expected), "{what}");
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[test]
fn the_view_of_a_copy_is_what_the_tenant_wrote() {
    for version in ["v0.36.0", "v0.30.0"] {
        for name in pairs(version) {
            let found = without(view(&read(version, &name, "host")), differing(&name));
            let expected = without(known(read(version, &name, "virtual")), differing(&name));
            assert_same(&found, &expected, &format!("{version} {name}"));
        }
    }
}

#[test]
fn the_names_of_a_tenants_object_lead_to_those_of_its_copy() {
    for version in ["v0.36.0", "v0.30.0"] {
        for name in pairs(version) {
            let (mut tenants, mut host) = (read(version, &name, "virtual"), read(version, &name, "host"));
            let text = |object: &Value, key: &str| object["metadata"][key].as_str().unwrap().to_owned();
            let namespace = text(&tenants, "namespace");
            assert_eq!(names::host_name(&text(&tenants, "name"), &namespace, "tenant1"), text(&host, "name"));
            let kind = tenants["kind"].as_str().unwrap().to_owned();
            for path in names_in(&kind) {
                let names_at = |object: &mut Value| {
                    let mut found = Vec::new();
                    each(object, path, &mut |value| found.extend(value.as_str().map(str::to_owned)));
                    // That of a token is the host's alone.
                    found.retain(|name| !name.contains("-sa-token-x-"));
                    found
                };
                let forward = |name: &String| names::host_name(name, &namespace, "tenant1");
                let expected: Vec<_> = names_at(&mut tenants).iter().map(forward).collect();
                assert_eq!(names_at(&mut host), expected, "{version} {name} {path}");
            }
        }
    }
}

#[test]
fn what_the_tenant_forged_is_not_believed() {
    let found = view(&read("v0.36.0", "pod-forged", "host"));
    assert_eq!(found["metadata"]["name"], "forge2");
    assert_eq!(found["metadata"]["namespace"], "team-a");
    assert_eq!(found["metadata"]["uid"], "3e7c0f3d-4f52-4ebe-8a34-5ad01654bed9");
    assert_eq!(found["metadata"]["ownerReferences"], Value::Null);
    assert_eq!(found["spec"]["serviceAccountName"], Value::Null, "it says admin, and nothing vouches for it");
    // His own labels of these names, which a syncer keeps apart from its own.
    assert_eq!(found["metadata"]["labels"]["vcluster.loft.sh/managed-by"], "other");
    assert_eq!(found["metadata"]["labels"]["vcluster.loft.sh/namespace"], "kube-system");
    assert_eq!(found["metadata"]["labels"]["release"], "r1");
}

#[test]
fn tokens_for_the_virtual_cluster_are_not_shown() {
    let host = read("v0.36.0", "pod-deployment", "host");
    assert!(host.to_string().contains("REDACTED-JWT"));
    let found = view(&host).to_string();
    assert!(!found.contains("REDACTED-JWT") && !found.contains("vcluster.loft.sh/token-"), "{found}");
}

#[test]
fn kinds_without_a_recorded_twin_have_the_tenants_names_too() {
    for (name, tenants) in [("serviceaccount", "app"), ("configmap-kube-root-ca", "kube-root-ca.crt")] {
        let found = view(&read("v0.36.0", name, "host"));
        assert_eq!(found["metadata"]["name"], tenants);
        assert_eq!(found["metadata"]["namespace"], "team-a");
        assert!(!found.to_string().contains("vcluster.loft.sh/"), "{found}");
    }
    // A syncer makes it, for no object of the tenant's.
    assert_eq!(Claims::of(Some(&JsonText::of(&read("v0.36.0", "secret-sa-token", "host")))), None);
}

fn host_object(kind: &str, rest: &Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {
        "name": "web-x-team-a-x-tenant1", "namespace": "vc-tenant1",
        "labels": {"vcluster.loft.sh/managed-by": "tenant1"},
        "annotations": {
            "vcluster.loft.sh/object-name": "web", "vcluster.loft.sh/object-namespace": "team-a",
            "vcluster.loft.sh/object-host-name": "web-x-team-a-x-tenant1",
        },
    }});
    object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    object
}

#[test]
fn every_field_that_names_another_object_is_renamed() {
    for kind in [
        "Pod",
        "Ingress",
        "PersistentVolumeClaim",
        "Endpoints",
        "EndpointSlice",
        "HTTPRoute",
        "Gateway",
        "BackendTLSPolicy",
        "ServiceAccount",
    ] {
        for path in names_in(kind) {
            let rest = path.rsplit('/').fold(json!("db-x-team-a-x-tenant1"), |inner, step| match step {
                "*" => json!([inner]),
                key => json!({ key: inner }),
            });
            let mut found = view(&host_object(kind, &rest));
            let mut names = Vec::new();
            each(&mut found, path, &mut |value| names.push(value.clone()));
            assert_eq!(names, ["db"], "{kind} {path}");
        }
    }
}

#[test]
fn what_merely_looks_like_a_host_name_stays() {
    let image = "evil-x-team-a-x-tenant1";
    let found = view(&host_object("Pod", &json!({"spec": {"containers": [{"name": image, "image": image}]}})));
    assert_eq!(found["spec"]["containers"], json!([{"name": image, "image": image}]));
    let other = view(&host_object("Pod", &json!({"spec": {"imagePullSecrets": [{"name": "db-x-team-b-x-tenant1"}]}})));
    assert_eq!(other["spec"]["imagePullSecrets"][0]["name"], "db-x-team-b-x-tenant1", "another namespace's");
}

#[test]
fn a_container_that_the_tenant_called_like_the_syncers_is_seen() {
    let pod = |tenants: &str| {
        let mut pod = host_object(
            "Pod",
            &json!({"spec": {
                "initContainers": [{"name": "vcluster-rewrite-hosts", "image": "evil"}], "containers": [{"name": "c"}],
            }}),
        );
        let annotations = &mut pod["metadata"]["annotations"];
        annotations["vcluster.loft.sh/hosts-rewritten"] = "true".into();
        annotations["vcluster.loft.sh/managed-annotations"] = tenants.into();
        view(&pod)
    };
    assert_eq!(pod("a")["spec"].get("initContainers"), None);
    assert_eq!(pod("a\nvcluster.loft.sh/hosts-rewritten")["spec"]["initContainers"][0]["image"], "evil");
}

#[test]
fn variables_of_the_tenant_are_kept_whatever_they_are_called() {
    let variables = json!([
        {"name": "WEB_SERVICE_HOST", "value": "10.0.0.1"}, {"name": "WEB_PORT", "value": "tcp://10.0.0.1:80"},
        {"name": "WEB_PASSWORD", "value": "x"}, {"name": "WEB_PORT_80_TCP_PORT", "value": "80"},
    ]);
    let found = view(&host_object("Pod", &json!({"spec": {"containers": [{"name": "c", "env": variables}]}})));
    let names: Vec<_> =
        found["spec"]["containers"][0]["env"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["WEB_PASSWORD", "WEB_PORT_80_TCP_PORT"]);
}
