//! One denial by one policy, as it is kept: names, codes and a short message, never the object.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::decision::{Effect, Judged};
use crate::policy::Enforcement;
use crate::review::clip::clip;
use crate::review::{AdmissionRequest, JsonText, Operation, Review};
use crate::scan::Contraband;

/// jsPolicy's bound on a message, of which it keeps this much where it is longer.
const LONGEST_MESSAGE: usize = 256;
const KEPT_OF_MESSAGE: usize = 253;

/// What else is kept of a text that others wrote. Names of Kubernetes are shorter.
const LONGEST_NAME: usize = 256;

const FORBIDDEN: &str = "Forbidden";
const FORBIDDEN_CODE: u16 = 403;
const FAILED_CODE: u16 = 500;

/// What became of the request: jsPolicy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Deny,
    Warn,
    Dry,
    /// It was no request: a controller policy said so of an object.
    Controller,
}

impl Action {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "Deny",
            Self::Warn => "Warn",
            Self::Dry => "Dry",
            Self::Controller => "Controller",
        }
    }
}

impl From<Enforcement> for Action {
    fn from(enforcement: Enforcement) -> Self {
        match enforcement {
            Enforcement::Deny => Self::Deny,
            Enforcement::Warn => Self::Warn,
            Enforcement::Dry => Self::Dry,
        }
    }
}

/// What was asked, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    pub api_version: String,
    pub kind: String,
    /// As the request has it: a Namespace names itself.
    pub namespace: String,
    pub name: String,
    pub operation: &'static str,
    pub username: String,
    pub user_uid: String,
    /// Of an object that exists; one that was not let in has none.
    pub object_uid: String,
}

impl Asked {
    /// The namespace that the object is in; empty for one of the cluster.
    #[must_use]
    pub fn home(&self) -> &str {
        if self.kind == "Namespace" && self.api_version == "v1" { "" } else { &self.namespace }
    }

    fn of(review: &Review) -> Self {
        let request = &review.request;
        let kind = &request.kind;
        let version = match &*kind.group {
            "" => kind.version.clone(),
            group => format!("{group}/{}", kind.version),
        };
        let existing = match request.operation {
            Operation::Update | Operation::Delete => request.old_object.as_ref(),
            Operation::Create | Operation::Connect => None,
        };
        Self {
            api_version: short(&version),
            kind: short(&kind.kind),
            namespace: short(&request.namespace),
            name: short(&request.name),
            operation: request.operation.as_str(),
            username: short(&request.user.username),
            user_uid: user_uid(&review.text).map_or_else(String::new, |uid| short(&uid)),
            object_uid: existing.and_then(object_uid).map_or_else(String::new, |uid| short(&uid)),
        }
    }
}

/// One denial, or one failure, of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub policy: Arc<str>,
    pub action: Action,
    /// The policy gave no verdict.
    pub is_failure: bool,
    /// The exception that let the request past the policy, and its reason.
    pub exception: Option<Arc<str>>,
    pub code: u16,
    pub reason: String,
    pub message: String,
    pub asked: Arc<Asked>,
    /// Seconds since 1970.
    pub at: i64,
    /// How often the same was said since it was last written.
    pub times: u32,
}

impl Violation {
    /// Whether both tell the same of the same object, whenever.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.asked == other.asked
            && self.policy == other.policy
            && (self.action, self.code, self.is_failure) == (other.action, other.code, other.is_failure)
            && (&self.message, &self.reason, &self.exception) == (&other.message, &other.reason, &other.exception)
    }

    /// All that stands against the object of one review.
    pub(super) fn all(review: &Review, objections: &[Judged]) -> Vec<Self> {
        let asked = Arc::new(Asked::of(review));
        let contraband = contraband(&review.request);
        let at = Timestamp::now().as_second();
        objections.iter().filter_map(|judged| Self::of(judged, &asked, &contraband, at)).collect()
    }

    fn of(judged: &Judged, asked: &Arc<Asked>, contraband: &Contraband, at: i64) -> Option<Self> {
        let (code, reason, message) = match &judged.verdict.effect {
            Effect::Allow => return None,
            Effect::Deny(denials) => {
                let first = denials.first()?;
                let messages: Vec<&str> = denials.iter().map(|denial| &*denial.message).collect();
                let reason = first.reason.clone().unwrap_or_else(|| FORBIDDEN.to_owned());
                (first.code.filter(|code| *code > 0).unwrap_or(FORBIDDEN_CODE), reason, messages.join("; "))
            }
            Effect::Error(error) => (FAILED_CODE, String::new(), error.message.clone()),
        };
        Some(Self {
            policy: Arc::clone(&judged.verdict.policy),
            action: judged.enforcement.into(),
            is_failure: matches!(judged.verdict.effect, Effect::Error(_)),
            exception: judged.exception.clone(),
            code,
            reason: short(&reason),
            message: message_of(&contraband.hide(&message)),
            asked: Arc::clone(asked),
            at,
            times: 1,
        })
    }
}

/// A message as jsPolicy kept it, but never cut inside of a character.
pub(super) fn message_of(text: &str) -> String {
    let harmful = |character: char| character.is_control() && character != '\n' && character != '\t';
    let text = text.replace(harmful, " ");
    if text.len() <= LONGEST_MESSAGE { text } else { format!("{}...", clip(&text, KEPT_OF_MESSAGE)) }
}

fn short(text: &str) -> String {
    clip(text, LONGEST_NAME).replace(char::is_control, " ")
}

/// What a policy may have quoted of a Secret. Other objects are not looked into.
fn contraband(request: &AdmissionRequest) -> Contraband {
    if request.kind.kind != "Secret" {
        return Contraband::default();
    }
    let object = request.object.as_ref().or(request.old_object.as_ref());
    let value: Option<Value> = object.and_then(|object| serde_json::from_str(object.as_str()).ok());
    value.as_ref().map_or_else(Contraband::default, Contraband::of)
}

/// Matching has no use for it, so it is only looked for here.
fn user_uid(request: &JsonText) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Request {
        user_info: Option<User>,
    }
    #[derive(Deserialize)]
    struct User {
        uid: Option<String>,
    }
    serde_json::from_str::<Request>(request.as_str()).ok()?.user_info?.uid
}

fn object_uid(object: &JsonText) -> Option<String> {
    #[derive(Deserialize)]
    struct Object {
        metadata: Option<Metadata>,
    }
    #[derive(Deserialize)]
    struct Metadata {
        uid: Option<String>,
    }
    serde_json::from_str::<Object>(object.as_str()).ok()?.metadata?.uid
}

#[cfg(test)]
#[path = "violation_tests.rs"]
mod tests;
