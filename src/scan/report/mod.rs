//! All findings of a scan, and what was not judged. Kept within bounds: a scan of everything that finds fault with
//! everything is counted in full and listed in part.

mod html;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Finding, Outcome, Unreadable};
use crate::policy::{About, Catalog};

pub use html::html;
pub use table::table;

/// Findings that are listed; some 300 bytes each.
const LISTED: usize = 100_000;
/// Documents that could not be read, and kinds that could not be listed.
const PASSED_OVER: usize = 10_000;

/// What came of one object.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Every policy that was asked.
    pub asked: Vec<Arc<str>>,
    pub findings: Vec<Finding>,
}

/// How many objects came out how; each counts once, as the worst that was said of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    pub objects: u64,
    pub denied: u64,
    pub warned: u64,
    pub would_deny: u64,
    pub would_change: u64,
    pub passed: u64,
    /// Documents, not objects.
    pub unreadable: u64,
    /// Findings beyond those that are listed.
    pub unlisted: u64,
}

/// A policy, what it says of itself, and what it found.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<&'static str>,
    /// Objects that it judged.
    pub objects: u64,
    /// Its findings, by result.
    pub findings: BTreeMap<Outcome, u64>,
}

impl Tally {
    fn of(about: &About) -> Self {
        let About { title, description, category, severity } = about.clone();
        let severity = severity.map(crate::policy::Severity::as_str);
        Self { title, description, category, severity, ..Self::default() }
    }
}

/// A kind of a cluster that was not judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub kind: String,
    pub cause: String,
}

#[derive(Debug, Default)]
pub struct Report {
    pub policies: BTreeMap<Arc<str>, Tally>,
    pub findings: Vec<Finding>,
    pub unreadable: Vec<Unreadable>,
    pub skipped: Vec<Skipped>,
    pub counts: Counts,
}

impl Report {
    /// An empty one on these policies.
    #[must_use]
    pub fn on(catalog: &Catalog) -> Self {
        let policies = catalog.revisions.iter().map(|one| (Arc::clone(&one.spec.name), Tally::of(&one.about)));
        Self { policies: policies.collect(), ..Self::default() }
    }

    pub fn take(&mut self, checked: Checked) {
        self.counts.objects += 1;
        // The worst stands first among the outcomes.
        let worst = checked.findings.iter().map(|finding| finding.result).min();
        *match worst {
            Some(Outcome::Denied | Outcome::Failed) => &mut self.counts.denied,
            Some(Outcome::Warned) => &mut self.counts.warned,
            Some(Outcome::WouldDeny) => &mut self.counts.would_deny,
            Some(Outcome::WouldChange) => &mut self.counts.would_change,
            None => &mut self.counts.passed,
        } += 1;
        for policy in checked.asked {
            self.policies.entry(policy).or_default().objects += 1;
        }
        for finding in checked.findings {
            let tally = self.policies.entry(Arc::clone(&finding.policy)).or_default();
            *tally.findings.entry(finding.result).or_default() += 1;
            if self.findings.len() < LISTED {
                self.findings.push(finding);
            } else {
                self.counts.unlisted += 1;
            }
        }
    }

    pub fn pass_over(&mut self, unreadable: Unreadable) {
        self.counts.unreadable += 1;
        if self.unreadable.len() < PASSED_OVER {
            self.unreadable.push(unreadable);
        }
    }

    pub fn skip(&mut self, kind: String, cause: String) {
        if self.skipped.len() < PASSED_OVER {
            self.skipped.push(Skipped { kind, cause });
        }
    }

    /// What the policy of a finding says of itself.
    #[must_use]
    pub fn tally(&self, finding: &Finding) -> Option<&Tally> {
        self.policies.get(&finding.policy)
    }

    #[must_use]
    pub fn severity(&self, finding: &Finding) -> Option<&'static str> {
        self.tally(finding)?.severity
    }

    #[must_use]
    pub fn category(&self, finding: &Finding) -> Option<&str> {
        self.tally(finding)?.category.as_deref()
    }

    /// All of it for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let policies = self.policies.iter().map(|(name, tally)| with(json!({ "name": name }), json!(tally)));
        let findings = self.findings.iter().map(|finding| {
            let about = json!({ "severity": self.severity(finding), "category": self.category(finding) });
            with(json!(finding), about)
        });
        json!({
            "summary": self.counts,
            "policies": policies.collect::<Vec<_>>(),
            "findings": findings.collect::<Vec<_>>(),
            "unreadable": self.unreadable,
            "skipped": self.skipped,
        })
    }

    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let Counts { objects, denied, warned, would_deny, would_change, passed, unreadable, .. } = self.counts;
        let mut line = format!("{} judged: {denied} denied", count(objects, "object"));
        let rest =
            [(warned, "warned"), (would_deny, "would be denied"), (would_change, "would change"), (passed, "passed")];
        for (number, what) in rest {
            if number > 0 {
                line = format!("{line}, {number} {what}");
            }
        }
        if unreadable > 0 {
            line = format!("{line}; {} could not be read", count(unreadable, "document"));
        }
        if !self.skipped.is_empty() {
            line = format!("{line}; {} could not be listed", count(self.skipped.len() as u64, "kind"));
        }
        line
    }
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The fields of both, but for those that are null.
fn with(mut object: Value, more: Value) -> Value {
    if let (Some(fields), Value::Object(more)) = (object.as_object_mut(), more) {
        fields.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
    object
}

#[cfg(test)]
mod tests;
