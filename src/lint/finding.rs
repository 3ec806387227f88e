//! One thing found: the rule, the place, the mend.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::bundle::{Diagnostic, Place};

use super::rule::{Level, Rule};

/// What a file has to become.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    pub path: Arc<PathBuf>,
    /// Bytes of the file, after its byte order mark.
    pub start: u32,
    pub end: u32,
    pub text: String,
}

#[derive(Debug, Clone)]
pub struct Finding {
    pub rule: Rule,
    pub level: Level,
    pub diagnostic: Diagnostic,
    /// The policy that it is about, where one is known.
    pub policy: Option<String>,
    /// What `--fix` does; all of them or none.
    pub fix: Vec<Edit>,
}

impl Finding {
    pub(super) fn new(rule: Rule, diagnostic: Diagnostic) -> Self {
        Self { rule, level: rule.level(), diagnostic, policy: None, fix: Vec::new() }
    }

    #[must_use]
    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.diagnostic = self.diagnostic.with_help(help);
        self
    }

    #[must_use]
    pub(super) fn of_policy(mut self, policy: &str) -> Self {
        self.policy = Some(policy.to_owned()).filter(|name| !name.is_empty());
        self
    }

    #[must_use]
    pub(super) fn with_fix(mut self, edits: impl IntoIterator<Item = Edit>) -> Self {
        self.fix = edits.into_iter().collect();
        self
    }

    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.diagnostic.place.as_ref()
    }

    /// Where it comes in a report.
    pub(super) fn order(&self) -> (&str, u32, u32, Rule, &str) {
        let place = self.place();
        let file = place.map_or("", |place| place.file.as_str());
        let (line, column) = place.map_or((0, 0), |place| (place.line, place.column));
        (file, line, column, self.rule, &self.diagnostic.message)
    }
}

/// As `-o json` has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingView<'f> {
    rule: Rule,
    level: Level,
    message: &'f str,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'f str>,
    fixable: bool,
}

impl<'f> From<&'f Finding> for FindingView<'f> {
    fn from(finding: &'f Finding) -> Self {
        let place = finding.place();
        Self {
            rule: finding.rule,
            level: finding.level,
            message: &finding.diagnostic.message,
            policy: finding.policy.as_deref(),
            file: place.map(|place| place.file.as_str()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            help: finding.diagnostic.help.as_deref(),
            fixable: !finding.fix.is_empty(),
        }
    }
}
