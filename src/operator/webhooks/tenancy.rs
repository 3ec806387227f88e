//! What keeps tenants apart whatever the policies are: the API server asks about objects that claim to be a syncer's, and
//! about labels that decide who owns a namespace, where a policy may mind neither.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::render::{About, Desired, Phase, Registration, desired, namespaces, with_path};
use crate::engine::TENANCY_WEBHOOK;
use crate::tenancy::{FORGED_OBJECTS, OWNER_LABELS};

/// Nobody but the registry is asked, which is in memory.
const TIMEOUT_SECONDS: u32 = 5;

/// What a syncer copies to its host.
const GROUPS: [&str; 8] = [
    "",
    "discovery.k8s.io",
    "gateway.networking.k8s.io",
    "networking.k8s.io",
    "policy",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];
const RESOURCES: [&str; 20] = [
    "backendtlspolicies",
    "configmaps",
    "endpoints",
    "endpointslices",
    "gateways",
    "httproutes",
    "ingresses",
    "namespaces",
    "networkpolicies",
    "persistentvolumeclaims",
    "persistentvolumes",
    "poddisruptionbudgets",
    "pods",
    "priorityclasses",
    "resourceclaims",
    "resourceclaimtemplates",
    "secrets",
    "serviceaccounts",
    "services",
    "storageclasses",
];

/// Whether a mark of a syncer is new to the object. What was there before is vouched for, so that kubelets and controllers
/// cost no call.
const CLAIMS: &str = "has(object.metadata.labels) && 'vcluster.loft.sh/managed-by' in object.metadata.labels && \
    (oldObject == null || !has(oldObject.metadata.labels) || !('vcluster.loft.sh/managed-by' in oldObject.metadata.labels) || \
    oldObject.metadata.labels['vcluster.loft.sh/managed-by'] != object.metadata.labels['vcluster.loft.sh/managed-by']) || \
    has(object.metadata.annotations) && object.metadata.annotations.exists(key, key.startsWith('vcluster.loft.sh/object-') && \
    (oldObject == null || !has(oldObject.metadata.annotations) || !(key in oldObject.metadata.annotations) || \
    oldObject.metadata.annotations[key] != object.metadata.annotations[key]))";

/// Whether labels of a namespace change, but for the one that every namespace has.
const LABELS: &str = "oldObject == null ? \
    has(object.metadata.labels) && object.metadata.labels.exists(key, key != 'kubernetes.io/metadata.name') : \
    has(object.metadata.labels) != has(oldObject.metadata.labels) || \
    has(object.metadata.labels) && object.metadata.labels != oldObject.metadata.labels";

/// By which it is looked at who asks, whatever the policies are.
pub(super) fn configuration(registration: &Registration) -> Desired {
    let webhooks = webhooks(&registration.client, &registration.exempt);
    let (name, owner) = (format!("{}-tenancy", registration.name), registration.owner.clone());
    Desired { about: About::Tenants, ..desired(registration, Phase::Validate, name, &webhooks, owner) }
}

/// `client` is a `clientConfig` without a path.
fn webhooks(client: &Value, exempt: &[String]) -> Vec<Value> {
    let webhook = |name: &str, groups: &[&str], resources: &[&str], condition: &str| {
        json!({
            "name": name,
            "clientConfig": with_path(client, &format!("validate/{TENANCY_WEBHOOK}")),
            "rules": [{
                "operations": ["CREATE", "UPDATE"], "apiGroups": groups, "apiVersions": ["*"], "resources": resources,
                "scope": "*",
            }],
            "matchConditions": [{ "name": "is-about-tenants", "expression": condition }],
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "namespaceSelector": namespaces(None, &BTreeSet::new(), exempt),
            "sideEffects": "None",
            "timeoutSeconds": TIMEOUT_SECONDS,
            "admissionReviewVersions": ["v1"],
        })
    };
    vec![webhook(FORGED_OBJECTS, &GROUPS, &RESOURCES, CLAIMS), webhook(OWNER_LABELS, &[""], &["namespaces"], LABELS)]
}
