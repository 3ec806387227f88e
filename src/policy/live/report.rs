//! What became of one JsPolicy, for its status, its bundle and its events.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::object::PolicyObject;
use crate::bundle::npm::Lock;
use crate::policy::code::Code;
use crate::policy::error::PolicyError;
use crate::policy::jspolicy::PolicyType;

/// All `JsPolicy` objects of the cluster.
#[derive(Debug, Default)]
pub struct Reports {
    /// Of the catalog that is served.
    pub generation: u64,
    pub objects: BTreeMap<Arc<str>, Arc<ObjectReport>>,
}

/// One JsPolicy of the cluster as it is now, and what was made of it.
#[derive(Debug, Clone)]
pub struct ObjectReport {
    pub name: Arc<str>,
    /// See `PolicyObject::home`.
    pub home: Option<(Arc<str>, Arc<str>)>,
    pub uid: String,
    pub generation: i64,
    /// The object as it was when it was last good.
    pub good: Option<Arc<PolicyObject>>,
    pub standing: Standing,
    pub kind: PolicyType,
    /// What its code was made of; see `PolicyObject::source_hash`.
    pub source: String,
    /// What is enforced.
    pub code: Option<Arc<Code>>,
    pub packages: Lock,
    pub bundle: BundleState,
    /// Worth knowing, and not wrong.
    pub notes: Vec<String>,
}

/// How a JsPolicy stands.
#[derive(Debug, Clone)]
pub enum Standing {
    /// As it is now, it is enforced.
    Serving,
    /// What it needs is on its way; what it was before is enforced, where `last_good`.
    Pending { last_good: bool },
    /// As it is now, it cannot be; what it was before is enforced, where `last_good`.
    Broken { error: Arc<PolicyError>, last_good: bool },
    /// A policy of a file has its name.
    Shadowed { by: String },
    /// It is whole, and not served.
    Idle,
}

/// The `JsPolicyBundle` of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleState {
    /// It is the policy's own code, which nobody keeps for it.
    Theirs,
    /// It holds what the policy's source comes to.
    Fresh,
    /// It is not there, or of an earlier source.
    Stale,
    /// It was made by Bylaw and changed by somebody else.
    Edited,
}
