//! The same for a control plane that reads it from files (Kubernetes 1.36 on, manifest-based admission control): nobody in the
//! virtual cluster sees them, or can change them. What is to be installed with it is printed, nothing is written.

use serde_json::{Value, json};

use super::desired::{NAME, Plan, Stage, Wanted, protection_by, wanted};
use crate::operator::webhooks::Phase;
use crate::operator::webhooks::render::API_VERSION;
use crate::policy::Catalog;
use crate::tenancy::VirtualCluster;

/// What an API server asks of the names of such objects.
const SUFFIX: &str = ".static.k8s.io";

/// Where the control plane finds them.
const FOLDER: &str = "/etc/bylaw";

/// Who vCluster makes the admin of its API server.
const ADMIN: &str = "kubernetes-super-admin";

/// What is to be installed.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    /// For the vCluster chart.
    pub values: Value,
    pub config_map: Value,
    /// The webhooks, whose URLs hold the token, and the certificate by which the API server shows who it is.
    pub secret: Value,
}

/// A certificate and its key, both in PEM.
pub struct Pair<'a> {
    pub certificate: &'a str,
    pub key: &'a str,
}

/// `door` is the URL of the virtual cluster with its token, `authority` that of its certificate in base64.
#[must_use]
pub fn files(
    vcluster: &VirtualCluster,
    tenant: &dyn crate::matching::Whose,
    catalog: &Catalog,
    (door, authority): (&str, &str),
    identity: Option<&Pair<'_>>,
) -> Files {
    let plan = Plan { door, authority, tenant, stage: Stage::Up, user: ADMIN, narrows: true };
    let all = wanted(&plan, catalog);
    let of = |phase: Phase| all.iter().find(|one| one.kind() == phase.kind()).map_or_else(|| none(phase), webhooks);
    let (validating, mutating) = (of(Phase::Validate), of(Phase::Mutate));
    let name = format!("bylaw-admission-{}", vcluster.name);
    let metadata = json!({
        "name": name, "namespace": &*vcluster.namespace, "labels": { "app.kubernetes.io/managed-by": "bylaw" },
    });
    let policies = protection_by(ADMIN).map(|one| named(one.object, "protection")).map(|object| object.to_string());
    let config_map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
        "data": { "admission.yaml": yaml(&admission()), "policies.yaml": policies.join("\n---\n") },
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata,
        "stringData": {
            "validating.yaml": yaml(&validating), "mutating.yaml": yaml(&mutating),
            "webhooks.kubeconfig": yaml(&kubeconfig(identity)),
        },
    });
    Files { values: values(&name), config_map, secret }
}

/// JSON is YAML, and has no second way to read it.
fn yaml(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// The probe is for configurations that somebody keeps: these nobody sees.
fn webhooks(one: &Wanted) -> Value {
    let mut object = named(one.object.clone(), "webhooks");
    if let Some(webhooks) = object.get_mut("webhooks").and_then(Value::as_array_mut) {
        let is_probe =
            |webhook: &Value| webhook.get("name").and_then(Value::as_str).is_some_and(super::desired::is_probe);
        webhooks.retain(|webhook| !is_probe(webhook));
    }
    object
}

/// A file that is there can be filled later; one that is not takes the API server down.
fn none(phase: Phase) -> Value {
    named(json!({ "apiVersion": API_VERSION, "kind": phase.kind(), "metadata": {}, "webhooks": [] }), "webhooks")
}

fn named(mut object: Value, what: &str) -> Value {
    let name = format!("{NAME}.{what}{SUFFIX}");
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".to_owned(), name.clone().into());
    }
    if let Some(policy) = object.pointer_mut("/spec/policyName") {
        *policy = name.into();
    }
    object
}

fn admission() -> Value {
    let webhooks = |folder: &str| {
        json!({
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "WebhookAdmissionConfiguration",
            "kubeConfigFile": format!("{FOLDER}/identity/webhooks.kubeconfig"),
            "staticManifestsDir": format!("{FOLDER}/{folder}"),
        })
    };
    let policies = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "ValidatingAdmissionPolicyConfiguration",
        "staticManifestsDir": format!("{FOLDER}/policies"),
    });
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
        "plugins": [
            { "name": "ValidatingAdmissionWebhook", "configuration": webhooks("validating") },
            { "name": "MutatingAdmissionWebhook", "configuration": webhooks("mutating") },
            { "name": "ValidatingAdmissionPolicy", "configuration": policies },
        ],
    })
}

/// A user for every webhook.
fn kubeconfig(identity: Option<&Pair<'_>>) -> Value {
    use base64::Engine as _;
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let user = identity.map(
        |pair| json!({ "client-certificate-data": encoded(pair.certificate), "client-key-data": encoded(pair.key) }),
    );
    let users = user.map(|user| json!({ "name": "*", "user": user }));
    json!({ "apiVersion": "v1", "kind": "Config", "users": users.into_iter().collect::<Vec<_>>() })
}

fn values(name: &str) -> Value {
    let of_secret = |volume: &str, key: &str| json!({ "name": format!("bylaw-{volume}"), "secret": { "secretName": name, "items": [{ "key": key, "path": key }] } });
    let of_map = |volume: &str, key: &str| json!({ "name": format!("bylaw-{volume}"), "configMap": { "name": name, "items": [{ "key": key, "path": key }] } });
    let volumes = [
        of_map("config", "admission.yaml"),
        of_map("policies", "policies.yaml"),
        of_secret("validating", "validating.yaml"),
        of_secret("mutating", "mutating.yaml"),
        of_secret("identity", "webhooks.kubeconfig"),
    ];
    let mount = |volume: &Value| {
        let name = volume.get("name").and_then(Value::as_str).unwrap_or_default();
        let folder = name.trim_start_matches("bylaw-");
        json!({ "name": name, "mountPath": format!("{FOLDER}/{folder}"), "readOnly": true })
    };
    let mounts: Vec<Value> = volumes.iter().map(mount).collect();
    let arguments = [
        "--feature-gates=ManifestBasedAdmissionControlConfig=true".to_owned(),
        format!("--admission-control-config-file={FOLDER}/config/admission.yaml"),
    ];
    json!({ "controlPlane": {
        "distro": { "k8s": { "enabled": true, "apiServer": { "extraArgs": arguments } } },
        "statefulSet": { "persistence": { "addVolumes": volumes, "addVolumeMounts": mounts } },
    } })
}
