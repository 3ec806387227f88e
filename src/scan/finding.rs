//! What one policy has to say of one object.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::review::clip::clip;

/// What is kept of one message. Policies may say more; nobody reads it.
const LONGEST_MESSAGE: usize = 4 << 10;

/// What a policy came to, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    Denied,
    /// The policy gave no answer, which counts as a denial.
    Failed,
    Warned,
    /// A denial of a policy that is tried out.
    WouldDeny,
    WouldChange,
}

impl Outcome {
    /// As it is called in JSON and on a page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Warned => "warned",
            Self::WouldDeny => "would deny",
            Self::WouldChange => "would change",
        }
    }

    /// Whether an API server would refuse the object for it.
    #[must_use]
    pub const fn refuses(self) -> bool {
        matches!(self, Self::Denied | Self::Failed)
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The object that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    pub name: String,
    /// `None` for an object of a cluster.
    #[serde(flatten)]
    pub place: Option<Place>,
}

impl Subject {
    /// `shop/web`, or `web` where it has no namespace.
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

/// Where the object is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    pub file: Arc<str>,
    pub line: u64,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub result: Outcome,
    pub policy: Arc<str>,
    #[serde(flatten)]
    pub subject: Arc<Subject>,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The line of the field, or of what should have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_line: Option<u64>,
    /// How many operations a mutation has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<usize>,
    /// Where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
}

impl Finding {
    #[must_use]
    pub fn new(result: Outcome, policy: Arc<str>, subject: Arc<Subject>, message: &str) -> Self {
        let message = clean(message);
        Self { result, policy, subject, message, field: None, field_line: None, operations: None, patch: None }
    }

    /// `file:line` of the field, or of the object; empty for an object of a cluster.
    #[must_use]
    pub fn place(&self) -> String {
        let place = self.subject.place.as_ref();
        place.map_or_else(String::new, |place| format!("{}:{}", place.file, self.field_line.unwrap_or(place.line)))
    }
}

/// A text of a policy as anything may show it: of bounded length, and without what a terminal would obey.
#[must_use]
pub fn clean(text: &str) -> String {
    let harmful = |character: char| character.is_control() && character != '\n' && character != '\t';
    let short = clip(text, LONGEST_MESSAGE);
    let ellipsis = if short.len() < text.len() { "…" } else { "" };
    format!("{}{ellipsis}", short.replace(harmful, " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_bounded_and_does_not_command_a_terminal() {
        assert_eq!(clean("a\u{1b}[31m\u{9b}b\nc"), "a [31m b\nc");
        assert!(clean(&"ä".repeat(10_000)).len() <= LONGEST_MESSAGE + 3);
    }

    #[test]
    fn a_finding_is_at_its_field_or_its_object() {
        let place = Some(Place { file: "a.yaml".into(), line: 3 });
        let text = String::new;
        let subject = Subject { api_version: text(), kind: text(), namespace: text(), name: text(), place };
        let mut finding = Finding::new(Outcome::Denied, "p".into(), Arc::new(subject), "no");
        assert_eq!(finding.place(), "a.yaml:3");
        finding.field_line = Some(9);
        assert_eq!(finding.place(), "a.yaml:9");
    }
}
