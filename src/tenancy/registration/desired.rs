//! What there should be in a virtual cluster: the configurations that make its API server ask, a webhook by which it is seen
//! that it reaches Bylaw, and a policy of its own that keeps both from being changed by mistake or without a trace.

use serde_json::{Value, json};

use crate::bundle::content_hash;
use crate::engine::{PROBE, PROBED};
use crate::matching::Whose;
use crate::operator::FIELD_MANAGER;
use crate::operator::webhooks::render::{API_VERSION, INSTANCE, MANAGED_BY};
use crate::operator::webhooks::{Phase, Registration, Shape, inside};
use crate::policy::{Catalog, Vantage};

/// Of the configurations. A tenant may run a Bylaw of his own.
pub(super) const NAME: &str = "bylaw-host";
/// Of the policy that protects them, and of its binding.
const PROTECTION: &str = "bylaw-host.protection.bylaw.dev";
/// The webhook that answers for all, and the `ConfigMap` that it is asked about: no such thing is ever stored.
const PROBE_WEBHOOK: &str = "answers.probe.bylaw.dev";
pub(super) const PROBED_IN: &str = "default";
const PROBE_SECONDS: u8 = 3;

/// Where the control plane comes up.
const SYSTEM: &str = "kube-system";

/// How far a virtual cluster has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not been seen to reach Bylaw: nothing may wait for that.
    ComingUp,
    /// It has. From now on what policies say of failures holds, and no silence takes enforcement away.
    Up,
}

/// An object as it should be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    pub path: String,
    pub object: Value,
}

impl Wanted {
    pub(super) fn hash(&self) -> String {
        content_hash(&self.object.to_string())
    }

    pub(super) fn kind(&self) -> &str {
        self.object.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn is_configuration(&self) -> bool {
        self.kind().ends_with("WebhookConfiguration")
    }
}

/// What it depends on.
pub(super) struct Plan<'a> {
    /// The door of the virtual cluster: a URL with its token.
    pub door: &'a str,
    /// The authority of that URL, in base64; empty where everybody trusts it.
    pub authority: &'a str,
    pub tenant: &'a dyn Whose,
    pub stage: Stage,
    /// Who Bylaw is there.
    pub user: &'a str,
    /// Whether selectors and conditions of policies become those of webhooks.
    pub narrows: bool,
}

/// Where an object of `admissionregistration.k8s.io` is.
fn path(plural: &str, name: &str) -> String {
    format!("/apis/{API_VERSION}/{plural}/{name}")
}

/// Whatever there may be of ours, in the order in which it is taken away.
pub(super) fn all_paths() -> [String; 4] {
    [
        path("validatingadmissionpolicybindings", PROTECTION),
        path("validatingadmissionpolicies", PROTECTION),
        path(Phase::Validate.plural(), NAME),
        path(Phase::Mutate.plural(), NAME),
    ]
}

/// All of it, in the order in which it is made.
pub(super) fn wanted(plan: &Plan<'_>, catalog: &Catalog) -> Vec<Wanted> {
    let mut client = json!({ "url": plan.door });
    if let (false, Some(fields)) = (plan.authority.is_empty(), client.as_object_mut()) {
        fields.insert("caBundle".to_owned(), plan.authority.into());
    }
    let exempt = if plan.stage == Stage::Up { Vec::new() } else { vec![SYSTEM.to_owned()] };
    let registration = Registration {
        name: NAME.to_owned(),
        client: client.clone(),
        shape: Shape::Grouped,
        exempt,
        owner: None,
        narrows: plan.narrows,
        own_kinds: false,
        tenants: false,
        vantage: Vantage::Virtual,
    };
    let is_meant = |revision: &crate::policy::Revision| revision.matcher.may_be_of(plan.tenant);
    let mut all: Vec<Wanted> = Vec::new();
    for desired in inside(&registration, catalog, is_meant) {
        let mut object = desired.object;
        for webhook in object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
            careful(webhook, plan.stage);
        }
        all.push(Wanted { path: path(desired.phase.plural(), NAME), object });
    }
    let validating = path(Phase::Validate.plural(), NAME);
    if !all.iter().any(|wanted| wanted.path == validating) {
        let object = json!({
            "apiVersion": API_VERSION, "kind": Phase::Validate.kind(), "metadata": metadata(NAME), "webhooks": [],
        });
        all.insert(0, Wanted { path: validating.clone(), object });
    }
    let webhooks = all.iter_mut().find(|wanted| wanted.path == validating);
    if let Some(webhooks) = webhooks.and_then(|wanted| wanted.object.get_mut("webhooks")?.as_array_mut()) {
        webhooks.push(probe(&client));
    }
    all.extend(protection_by(plan.user));
    all
}

/// Nothing that a virtual cluster needs to come up waits for Bylaw, whatever policies say.
fn careful(webhook: &mut Value, stage: Stage) {
    let Some(fields) = webhook.as_object_mut() else { return };
    if stage == Stage::ComingUp {
        fields.insert("failurePolicy".to_owned(), json!("Ignore"));
    }
    let groups = "has(request.userInfo.groups) && 'system:masters' in request.userInfo.groups";
    let expression = format!(
        "!(has(request.namespace) && request.namespace == '{SYSTEM}' && has(request.userInfo.username) && \
         (request.userInfo.username.startsWith('system:serviceaccount:{SYSTEM}:') || \
         request.userInfo.username.startsWith('system:kube-') || request.userInfo.username.startsWith('system:node:') || \
         ({groups} && has(request.name) && request.name in ['coredns', 'kube-dns'])))"
    );
    let condition = json!({ "name": "not-what-brings-it-up", "expression": expression });
    match fields.get_mut("matchConditions").and_then(Value::as_array_mut) {
        Some(conditions) => conditions.push(condition),
        None => drop(fields.insert("matchConditions".to_owned(), json!([condition]))),
    }
}

pub(super) fn is_probe(webhook: &str) -> bool {
    webhook == PROBE_WEBHOOK
}

fn probe(client: &Value) -> Value {
    let mut client = client.clone();
    let url = client.get("url").and_then(Value::as_str).map(|url| format!("{url}/validate/{PROBE}"));
    if let (Some(url), Some(fields)) = (url, client.as_object_mut()) {
        fields.insert("url".to_owned(), url.into());
    }
    json!({
        "name": PROBE_WEBHOOK, "clientConfig": client,
        "rules": [{
            "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
            "scope": "Namespaced",
        }],
        "matchConditions": [{
            "name": "the-probe", "expression": format!("has(object.metadata.name) && object.metadata.name == '{PROBED}'"),
        }],
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": PROBED_IN } },
        // A failure of the call comes back as the reason why it is not reached.
        "failurePolicy": "Fail", "matchPolicy": "Equivalent", "sideEffects": "None", "timeoutSeconds": PROBE_SECONDS,
        "admissionReviewVersions": ["v1"],
    })
}

/// Of the configurations, only what Bylaw itself writes is let through. Whoever is admin there can take this away first, and
/// is found out like any other who does.
pub(super) fn protection_by(user: &str) -> [Wanted; 2] {
    // JSON has the escapes of a CEL string.
    let user = Value::from(user).to_string();
    let expression = format!(
        "request.operation == 'UPDATE' && request.userInfo.username == {user} && has(request.options.fieldManager) && \
         request.options.fieldManager == '{FIELD_MANAGER}'"
    );
    let policy = json!({
        "apiVersion": API_VERSION, "kind": "ValidatingAdmissionPolicy", "metadata": metadata(PROTECTION),
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": { "resourceRules": [{
                "apiGroups": ["admissionregistration.k8s.io"], "apiVersions": ["*"], "operations": ["UPDATE", "DELETE"],
                "resources": ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"],
                "resourceNames": [NAME],
            }] },
            "validations": [{
                "expression": expression, "reason": "Forbidden",
                "message": "the platform keeps this configuration; ask its admins",
            }],
        },
    });
    let binding = json!({
        "apiVersion": API_VERSION, "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata(PROTECTION),
        "spec": { "policyName": PROTECTION, "validationActions": ["Deny"] },
    });
    [
        Wanted { path: path("validatingadmissionpolicies", PROTECTION), object: policy },
        Wanted { path: path("validatingadmissionpolicybindings", PROTECTION), object: binding },
    ]
}

fn metadata(name: &str) -> Value {
    json!({ "name": name, "labels": {
        "app.kubernetes.io/name": "bylaw", MANAGED_BY.0: MANAGED_BY.1, INSTANCE: NAME,
    } })
}
