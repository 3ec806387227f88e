//! The configurations that make an API server send here what the policies match, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::rules::rules;
use super::tenancy;
use crate::bundle::content_hash;
use crate::matching::NAME_LABEL;
use crate::policy::{Catalog, LabelSelector, MatchSpec, PolicySpec, Revision, Vantage, Webhooks, webhooks};
use crate::tenancy::is_foreseen;

pub const API_VERSION: &str = "admissionregistration.k8s.io/v1";

/// Says which objects are ours.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "bylaw");
/// Says of which Bylaw of a cluster they are: its `--name`.
pub const INSTANCE: &str = "bylaw.dev/instance";

/// The groups of Bylaw's own kinds. A policy that could refuse them could not be mended.
const OWN_GROUPS: [&str; 2] = ["policy.jspolicy.com", "bylaw.dev"];

/// Their plurals: a rule for pods of any group does not reach them.
const OWN_RESOURCES: [&str; 7] = [
    "jspolicies",
    "jspolicybundles",
    "jspolicyviolations",
    "policyexceptions",
    "tenants",
    "tenantpolicies",
    "virtualclusters",
];

const DEFINITIONS: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");

/// Letters of the suffix of a configuration of one policy, as many as jsPolicy's.
const SUFFIX: usize = 5;

/// The two kinds of configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    Validate,
    Mutate,
}

impl Phase {
    pub const BOTH: [Self; 2] = [Self::Validate, Self::Mutate];

    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Validate => "ValidatingWebhookConfiguration",
            Self::Mutate => "MutatingWebhookConfiguration",
        }
    }

    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Validate => "validatingwebhookconfigurations",
            Self::Mutate => "mutatingwebhookconfigurations",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Mutate => "mutate",
        }
    }

    const fn concerns(self, spec: &PolicySpec) -> bool {
        match self {
            Self::Validate => spec.validates,
            Self::Mutate => spec.mutates,
        }
    }
}

/// How many configurations there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Shape {
    /// One of each kind, in which the policies that an API server treats alike share a webhook.
    #[default]
    Grouped,
    /// One for each policy, as jsPolicy has them.
    #[value(name = "perPolicy")]
    PerPolicy,
}

/// What does not depend on the policies.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Of the configurations, and of this Bylaw among others.
    pub name: String,
    /// `clientConfig` without a path.
    pub client: Value,
    pub shape: Shape,
    /// Namespaces whose objects are never asked about: a webhook must not be able to lock up the control plane, or itself.
    pub exempt: Vec<String>,
    /// What the configurations go with when it is deleted.
    pub owner: Option<Value>,
    /// Whether selectors and conditions of policies become the webhook's own. The API server refuses a configuration as a
    /// whole for one condition that it does not understand.
    pub narrows: bool,
    /// Whether the API server is told to ask about Bylaw's own kinds too.
    pub own_kinds: bool,
    /// Whether there are tenants to be kept apart.
    pub tenants: bool,
    /// Whose API server asks: that of the host, or of a virtual cluster.
    pub vantage: Vantage,
}

/// A configuration as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    pub phase: Phase,
    pub name: String,
    pub object: Value,
    pub about: About,
}

/// Whom a configuration serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Policies,
    /// Bylaw's own kinds: no policy waits for it.
    OwnKinds,
    /// What keeps tenants apart: no policy waits for it either.
    Tenants,
}

/// All configurations for a catalog; `object_of` finds the JsPolicy that a policy comes from.
#[must_use]
pub fn configurations(
    registration: &Registration,
    catalog: &Catalog,
    object_of: impl Fn(&str) -> Option<(String, String)>,
) -> Vec<Desired> {
    let mut all: Vec<Desired> = match registration.shape {
        Shape::Grouped => inside(registration, catalog, |_| true),
        Shape::PerPolicy => per_policy(registration, catalog, object_of),
    };
    all.extend(registration.own_kinds.then(|| of_own_kinds(registration)));
    all.extend(registration.tenants.then(|| tenancy::configuration(registration)));
    all
}

/// Those for policies alone, of which `is_meant` are meant: a virtual cluster is not to be told of the others' policies.
#[must_use]
pub fn inside(registration: &Registration, catalog: &Catalog, is_meant: impl Fn(&Revision) -> bool) -> Vec<Desired> {
    Phase::BOTH.into_iter().filter_map(|phase| grouped(registration, phase, catalog, &is_meant)).collect()
}

/// By which `POST /crds` is asked, whatever the policies are.
fn of_own_kinds(registration: &Registration) -> Desired {
    let webhook = crate::crd::webhook(&with_path(&registration.client, "crds"));
    let (name, owner) = (format!("{}-crds", registration.name), registration.owner.clone());
    Desired { about: About::OwnKinds, ..desired(registration, Phase::Validate, name, &[webhook], owner) }
}

fn grouped(
    registration: &Registration,
    phase: Phase,
    catalog: &Catalog,
    is_meant: &impl Fn(&Revision) -> bool,
) -> Option<Desired> {
    let Webhooks { names, are_narrow } = webhooks(&catalog.revisions);
    let mut groups = BTreeMap::<&str, Vec<&Revision>>::new();
    for (revision, name) in catalog.revisions.iter().zip(&names) {
        if is_asked(registration, revision, phase) && is_meant(revision) {
            groups.entry(name).or_default().push(revision);
        }
    }
    let narrows = are_narrow && registration.narrows;
    let of = |(name, members): (&&str, &Vec<&Revision>)| {
        let path = format!("{}/{name}", phase.path());
        webhook(registration, phase, &format!("{name}.{}.bylaw.dev", phase.path()), &path, members, narrows)
    };
    let webhooks: Vec<Value> = groups.iter().map(of).collect();
    let owner = registration.owner.clone();
    (!webhooks.is_empty()).then(|| desired(registration, phase, registration.name.clone(), &webhooks, owner))
}

fn per_policy(
    registration: &Registration,
    catalog: &Catalog,
    object_of: impl Fn(&str) -> Option<(String, String)>,
) -> Vec<Desired> {
    let mut all = Vec::new();
    for revision in &catalog.revisions {
        let policy = &*revision.spec.name;
        let name = format!("{policy}-{}", suffix(&registration.name, policy));
        let owner = object_of(policy).map(|(name, uid)| {
            json!({
                "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "name": name, "uid": uid,
                "controller": true,
            })
        });
        for phase in Phase::BOTH.into_iter().filter(|phase| is_asked(registration, revision, *phase)) {
            let path = format!("policy/{policy}");
            let webhook = webhook(registration, phase, policy, &path, &[revision], registration.narrows);
            let owner = owner.clone().or_else(|| registration.owner.clone());
            all.push(desired(registration, phase, name.clone(), &[webhook], owner));
        }
    }
    all
}

/// Letters as jsPolicy's random ones look, but the same each time.
fn suffix(instance: &str, policy: &str) -> String {
    let digits = content_hash(&format!("{instance}/{policy}"));
    digits.bytes().take(SUFFIX).map(|digit| char::from(b'a' + digit % 26)).collect()
}

/// The host's API server does not ask policies for virtual clusters alone, nor theirs those for the host alone, unless it is
/// to be foretold what they will say.
fn is_asked(registration: &Registration, revision: &Revision, phase: Phase) -> bool {
    let is_inside = registration.vantage == Vantage::Virtual;
    let others = if is_inside { Vantage::Host } else { Vantage::Virtual };
    let is_foretold = is_inside && matches!(phase, Phase::Validate) && is_foreseen(&revision.spec);
    phase.concerns(&revision.spec) && (revision.spec.rules.vantage != Some(others) || is_foretold)
}

pub(super) fn desired(
    registration: &Registration,
    phase: Phase,
    name: String,
    webhooks: &[Value],
    owner: Option<Value>,
) -> Desired {
    let mut object = json!({
        "apiVersion": API_VERSION, "kind": phase.kind(),
        "metadata": { "name": name, "labels": {
            "app.kubernetes.io/name": "bylaw", MANAGED_BY.0: MANAGED_BY.1, INSTANCE: registration.name,
        } },
        "webhooks": webhooks,
    });
    if let (Some(owner), Some(metadata)) = (owner, object.get_mut("metadata").and_then(Value::as_object_mut)) {
        metadata.insert("ownerReferences".to_owned(), json!([owner]));
    }
    Desired { phase, name, object, about: About::Policies }
}

fn webhook(
    registration: &Registration,
    phase: Phase,
    name: &str,
    path: &str,
    members: &[&Revision],
    narrows: bool,
) -> Value {
    let timeout = members.iter().map(|one| one.spec.timeout.as_secs()).max().unwrap_or(10).clamp(1, 30);
    // They are the same for all members.
    let (failure, matching, is_reinvoked) = members
        .first()
        .map(|one| (one.webhook_failure, one.spec.rules.match_policy, one.is_reinvoked))
        .unwrap_or_default();
    let homes: BTreeSet<&str> = members.iter().filter_map(|one| one.spec.tenant.as_deref()).collect();
    let may_share = |rules: &&MatchSpec| homes.is_empty() && narrows && crate::policy::narrows(rules);
    let shared = members.first().map(|one| &one.spec.rules).filter(may_share);
    let rules = rules(members);
    let conditions = conditions(shared, &rules);
    let mut webhook = json!({
        "name": name,
        "clientConfig": with_path(&registration.client, path),
        "rules": rules,
        "failurePolicy": format!("{failure:?}"),
        "matchPolicy": format!("{matching:?}"),
        "namespaceSelector": namespaces(shared.map(|rules| &rules.namespace_selector), &homes, &registration.exempt),
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": timeout,
        "admissionReviewVersions": ["v1", "v1beta1"],
    });
    if let Some(fields) = webhook.as_object_mut() {
        if let Some(selector) =
            shared.map(|rules| &rules.object_selector).filter(|one| **one != LabelSelector::default())
        {
            fields.insert("objectSelector".to_owned(), json!(selector));
        }
        if !conditions.is_empty() {
            fields.insert("matchConditions".to_owned(), Value::Array(conditions));
        }
        if phase == Phase::Mutate && is_reinvoked {
            fields.insert("reinvocationPolicy".to_owned(), json!("IfNeeded"));
        }
    }
    webhook
}

/// `homes` are those whose tenants have policies of their own; none for the policies of the host.
pub(super) fn namespaces(selector: Option<&LabelSelector>, homes: &BTreeSet<&str>, exempt: &[String]) -> Value {
    let mut selector = selector.map_or_else(|| json!({}), |selector| json!(selector));
    if !homes.is_empty() {
        selector = json!({ "matchExpressions": [{ "key": NAME_LABEL, "operator": "In", "values": homes }] });
    }
    if exempt.is_empty() {
        return selector;
    }
    let left_out = json!({ "key": NAME_LABEL, "operator": "NotIn", "values": exempt });
    if let Some(expressions) = selector.get_mut("matchExpressions").and_then(Value::as_array_mut) {
        expressions.push(left_out);
    } else if let Some(fields) = selector.as_object_mut() {
        fields.insert("matchExpressions".to_owned(), json!([left_out]));
    }
    selector
}

/// Those of the policies, and where the rules reach Bylaw's own objects, those that leave them out.
fn conditions(shared: Option<&MatchSpec>, rules: &[Value]) -> Vec<Value> {
    let mut conditions: Vec<Value> =
        shared.into_iter().flat_map(|rules| &rules.match_conditions).map(|condition| json!(condition)).collect();
    let has = |rule: &Value, field: &str, is_meant: &dyn Fn(&str) -> bool| {
        let list = rule.get(field).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).any(is_meant)
    };
    let reaches = |groups: &[&str], is_resource: &dyn Fn(&str) -> bool| {
        rules.iter().any(|rule| {
            has(rule, "apiGroups", &|group| group == "*" || groups.contains(&group))
                && has(rule, "resources", &|one| {
                    let resource = one.split('/').next().unwrap_or_default();
                    resource == "*" || is_resource(resource)
                })
        })
    };
    if reaches(&OWN_GROUPS, &|resource| OWN_RESOURCES.contains(&resource)) {
        let expression = "!(request.resource.group in ['policy.jspolicy.com', 'bylaw.dev'])";
        conditions.push(json!({ "name": "not-bylaws-own-objects", "expression": expression }));
    }
    if reaches(&[DEFINITIONS.0], &|resource| resource == DEFINITIONS.1) {
        let expression = "!(request.resource.group == 'apiextensions.k8s.io' && \
                          (request.name.endsWith('.policy.jspolicy.com') || request.name.endsWith('.bylaw.dev')))";
        conditions.push(json!({ "name": "not-bylaws-own-kinds", "expression": expression }));
    }
    conditions
}

pub(super) fn with_path(client: &Value, path: &str) -> Value {
    let mut client = client.clone();
    if let Some(url) = client.get("url").and_then(Value::as_str).map(|url| format!("{url}/{path}")) {
        client.as_object_mut().and_then(|fields| fields.insert("url".to_owned(), url.into()));
    } else if let Some(service) = client.get_mut("service").and_then(Value::as_object_mut) {
        service.insert("path".to_owned(), format!("/{path}").into());
    }
    client
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
