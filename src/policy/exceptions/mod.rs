//! `PolicyException` (`bylaw.dev/v1alpha1`): for some time some objects of one namespace are let past some policies.
//!
//! An exception weakens what others rely on, so it is read narrowly. It concerns objects of its own namespace and nothing
//! else, not even the Namespace itself; it must say which policies, which objects, why, and until when; one that is not
//! understood counts for nothing. Those of a cluster count only for the policies that the server is told may be excepted
//! from (`--allow-exceptions`): by default none, because who may write everything in a namespace of their own could
//! otherwise excuse themselves from every rule of the cluster. A policy that refuses exceptions is never excepted from.

mod pattern;
mod set;

use std::sync::Arc;

use serde_json::Value;

use crate::matching::{Selector, read_labels};
use crate::review::{AdmissionRequest, JsonText, Operation, Review};

use super::error::FieldError;
use super::fields::{Faults, Fields, clip};
use super::oversight::instant;
use super::rules;
pub use pattern::Pattern;
pub use set::{Exceptions, MOST_IN_NAMESPACE};

pub(super) const API_VERSION: &str = "bylaw.dev/v1alpha1";
pub(super) const KIND: &str = "PolicyException";

/// Entries of each list.
const MOST_ENTRIES: usize = 64;

const LONGEST_REASON: usize = 1 << 10;

/// One exception, understood.
#[derive(Debug)]
pub struct Exception {
    pub namespace: String,
    pub name: String,
    pub reason: String,
    policies: Vec<String>,
    objects: Vec<Objects>,
    users: Vec<User>,
    /// Milliseconds since 1970.
    expires: i64,
}

/// One entry of `spec.objects`.
#[derive(Debug)]
struct Objects {
    /// Empty for any.
    groups: Vec<String>,
    /// `pods`, `pods/ephemeralcontainers`, `*`.
    resources: Vec<String>,
    which: Which,
}

#[derive(Debug)]
enum Which {
    Named(Vec<Pattern>),
    Labelled(Selector),
}

#[derive(Debug)]
enum User {
    Name(Pattern),
    Group(String),
}

impl Exception {
    /// # Errors
    /// Everything that is wrong with it: then it counts for nothing.
    pub fn read(object: &Value) -> Result<Self, Vec<FieldError>> {
        let faults = Faults::default();
        let exception = read(&Fields::of(object, "", &faults));
        faults.into_result()?;
        exception.ok_or_else(Vec::new)
    }

    /// Whether it holds for this policy's verdict on this review, at `now` in milliseconds since 1970.
    pub(super) fn covers(&self, policy: &str, review: &Review, now: i64) -> bool {
        let request = &review.request;
        now < self.expires
            && is_inside(request, &self.namespace)
            && self.policies.iter().any(|named| named == policy)
            && self.takes_user(request)
            && self.objects.iter().any(|objects| objects.take(request))
    }

    /// Names of policies, as they are written.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// When it ceases to hold, in milliseconds since 1970.
    #[must_use]
    pub const fn expires(&self) -> i64 {
        self.expires
    }

    /// What an auditor is shown.
    #[must_use]
    pub fn note(&self) -> Arc<str> {
        format!("{}/{}: {}", self.namespace, self.name, self.reason).into()
    }

    fn takes_user(&self, request: &AdmissionRequest) -> bool {
        let asks = |user: &User| match user {
            User::Name(name) => name.matches(&request.user.username),
            User::Group(group) => request.user.groups.contains(group),
        };
        self.users.is_empty() || self.users.iter().any(asks)
    }
}

/// The request of a Namespace names itself as its namespace, but it is an object of the cluster.
fn is_inside(request: &AdmissionRequest, namespace: &str) -> bool {
    let is_namespace = request.resource.group.is_empty() && request.resource.resource == "namespaces";
    !request.namespace.is_empty() && request.namespace == namespace && !is_namespace
}

impl Objects {
    fn take(&self, request: &AdmissionRequest) -> bool {
        let resource = &request.resource;
        let is_group = self.groups.is_empty() || self.groups.contains(&resource.group);
        let is_resource = |named: &String| match named.split_once('/') {
            _ if named == "*" => true,
            Some((name, sub_resource)) => resource.resource == name && request.sub_resource == sub_resource,
            None => resource.resource == *named && request.sub_resource.is_empty(),
        };
        is_group && self.resources.iter().any(is_resource) && self.which.takes(request)
    }
}

impl Which {
    fn takes(&self, request: &AdmissionRequest) -> bool {
        match self {
            // An object whose name the API server has yet to choose is known by what the name will begin with.
            Self::Named(names) => {
                let prefix = || request.object.as_ref().and_then(generate_name).unwrap_or_default();
                let name = if request.name.is_empty() { prefix() } else { request.name.clone() };
                !name.is_empty() && names.iter().any(|pattern| pattern.matches(&name))
            }
            // Labels are those that the object is to have; a deletion has only the old ones.
            Self::Labelled(selector) => {
                let object = match request.operation {
                    Operation::Delete => request.old_object.as_ref(),
                    _ => request.object.as_ref(),
                };
                let labels = object.and_then(|object| read_labels(object).ok().flatten());
                labels.is_some_and(|labels| selector.matches(&labels))
            }
        }
    }
}

fn generate_name(object: &JsonText) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        generate_name: Option<String>,
    }
    #[derive(serde::Deserialize)]
    struct Object {
        metadata: Option<Metadata>,
    }
    serde_json::from_str::<Object>(object.as_str()).ok()?.metadata?.generate_name
}

fn read(fields: &Fields<'_, '_>) -> Option<Exception> {
    let metadata = fields.object("metadata");
    let word = |name| metadata.as_ref().and_then(|metadata| metadata.string(name)).unwrap_or_default().to_owned();
    let (name, namespace) = (word("name"), word("namespace"));
    if namespace.is_empty() {
        fields.fault("metadata.namespace", "is missing: an exception concerns the objects of its namespace");
    }
    let Some(spec) = fields.object("spec") else {
        fields.fault("spec", "is missing");
        return None;
    };
    let policies = words(&spec, "policies");
    if policies.is_empty() {
        spec.fault("policies", "must name at least one policy");
    }
    let objects = objects(&spec);
    let users = words(&spec, "users").iter().filter_map(|word| user(&spec, word)).collect();
    let reason = spec.string("reason").unwrap_or_default().trim();
    if reason.is_empty() {
        spec.fault("reason", "must say why, for whoever reads the audit log");
    } else if reason.len() > LONGEST_REASON {
        spec.fault("reason", format!("is longer than {LONGEST_REASON} bytes"));
    }
    let expires = spec.string("expires").map(|text| (text, instant(text)));
    if let Some((text, None)) = expires {
        spec.fault("expires", format!("`{}` must be a time such as 2027-01-31T00:00:00Z", clip(text)));
    } else if expires.is_none() && spec.value("expires").is_none() {
        spec.fault("expires", "is missing: an exception ends, such as `expires: 2027-01-31T00:00:00Z`");
    }
    // A restriction that is not understood must not be passed over.
    spec.refuse_unknown();
    let (expires, reason) = (expires?.1?, reason.to_owned());
    Some(Exception { namespace, name, reason, policies, objects, users, expires })
}

fn user(spec: &Fields<'_, '_>, word: &str) -> Option<User> {
    let user = match word.strip_prefix("group:") {
        Some(group) => (!group.is_empty()).then(|| User::Group(group.to_owned())),
        None => Pattern::parse(word).map(User::Name),
    };
    if user.is_none() {
        spec.fault("users", format!("`{}` must be a user name, or `group:NAME`", clip(word)));
    }
    user
}

fn words(fields: &Fields<'_, '_>, name: &'static str) -> Vec<String> {
    let words = fields.strings(name).unwrap_or_default();
    check_length(fields, name, words.len());
    words
}

fn patterns(fields: &Fields<'_, '_>, name: &'static str) -> Vec<Pattern> {
    let words = words(fields, name);
    let patterns: Vec<Pattern> = words.iter().filter_map(|word| Pattern::parse(word)).collect();
    if patterns.len() < words.len() {
        fields.fault(name, "must be names, with `*` for any part of them");
    }
    patterns
}

fn check_length(fields: &Fields<'_, '_>, name: &str, length: usize) {
    if length > MOST_ENTRIES {
        fields.fault(name, format!("has {length} entries; at most {MOST_ENTRIES} are looked at"));
    }
}

fn objects(spec: &Fields<'_, '_>) -> Vec<Objects> {
    let entries = spec.list("objects").unwrap_or_default();
    if entries.is_empty() {
        spec.fault("objects", "must name at least one, such as `{ resources: [pods], names: [\"legacy-*\"] }`");
    }
    check_length(spec, "objects", entries.len());
    let read = |(index, entry): (usize, &Value)| {
        let entry = Fields::of(entry, &spec.path(&format!("objects[{index}]")), spec.faults());
        let (groups, resources) = (words(&entry, "apiGroups"), words(&entry, "resources"));
        if resources.is_empty() {
            entry.fault("resources", "must name at least one, such as `pods`");
        }
        let (names, selector) = (patterns(&entry, "names"), rules::selector(&entry, "selector"));
        entry.refuse_unknown();
        let which = match selector.map(|selector| Selector::compile(&selector, "selector")) {
            None if !names.is_empty() => Which::Named(names),
            Some(Ok(selector)) if names.is_empty() && !selector.is_empty() => Which::Labelled(selector),
            Some(Err(error)) => {
                entry.fault("selector", error.to_string());
                return None;
            }
            _ => {
                entry.fault("names", "or else `selector` must say which objects, one of the two");
                return None;
            }
        };
        Some(Objects { groups, resources, which })
    };
    entries.iter().take(MOST_ENTRIES).enumerate().filter_map(read).collect()
}

#[cfg(test)]
mod tests;
