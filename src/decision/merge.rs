//! Merges the verdicts of all policies on one review into one decision.
//!
//! Everything keeps the order in which the verdicts come: the mutating policies by priority and name, then the
//! validating ones by name. So the first denial gives the status its code and reason, and the same verdicts always
//! give the same answer.

use std::sync::Arc;

use super::audit::Audit;
use super::message::{Warnings, paragraph};
use super::{Decision, Denial, Effect, EvaluationError, PatchOp, Status, Verdict};
use crate::policy::spec::{Enforcement, OnError};

/// Denials that the message of a merged answer spells out.
const MOST_LINES: usize = 10;
/// Causes in `status.details`: enough for every container of a pod, and a bound.
const MOST_CAUSES: usize = 100;
/// Bytes of one denial in a merged message, of the message of a lone policy, and of one cause.
const LONGEST_LINE: usize = 4 << 10;
const LONGEST_LONE_MESSAGE: usize = 32 << 10;
const LONGEST_CAUSE: usize = 1 << 10;

const FORBIDDEN: &str = "Forbidden";
const FORBIDDEN_CODE: u16 = 403;
const FAILED_CODE: u16 = 500;

/// A verdict and how its policy wants it to be taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    pub verdict: Verdict,
    pub enforcement: Enforcement,
    pub on_error: OnError,
    /// The exception that keeps what it says against the object from taking effect, and its reason.
    pub exception: Option<Arc<str>>,
}

/// How an answer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Contract §2: every policy that matched, each line with the policy's name in front.
    Merged,
    /// `/policy/<name>`: one policy, its words as they are, as jsPolicy answered (research/jspolicy.md §§2.1, 5.3).
    JsPolicy,
}

/// Merges `judged` in its order. `patch` is the one patch of all mutations; it is dropped from a denial, and from the
/// answer of a lone `Dry` policy. In a merged answer the caller leaves the mutations of `Dry` policies out of it.
#[must_use]
pub fn merge(judged: Vec<Judged>, style: Style, mut patch: Vec<PatchOp>) -> Decision {
    let mut merger = Merger::new(style);
    for one in judged {
        if style == Style::JsPolicy && one.enforcement == Enforcement::Dry {
            patch.clear();
        }
        merger.take(one);
    }
    merger.into_decision(patch)
}

struct Merger {
    style: Style,
    lines: Vec<String>,
    more: usize,
    /// Code and reason of the first denial, of the first failure while there is none.
    first: Option<(u16, Option<String>)>,
    first_is_failure: bool,
    causes: Vec<Denial>,
    warnings: Warnings,
    audit: Audit,
}

impl Merger {
    fn new(style: Style) -> Self {
        Self {
            style,
            lines: Vec::new(),
            more: 0,
            first: None,
            first_is_failure: false,
            causes: Vec::new(),
            warnings: Warnings::default(),
            audit: Audit::default(),
        }
    }

    fn take(&mut self, judged: Judged) {
        let Judged { verdict, enforcement, on_error, exception } = judged;
        let policy = &*verdict.policy;
        for warning in &verdict.warnings {
            self.warn(policy, warning);
        }
        for (key, value) in &verdict.audit {
            self.annotate(policy, key, value);
        }
        match (verdict.effect, exception) {
            (Effect::Allow, _) => {}
            (_, Some(exception)) => self.annotate(policy, "exception", &exception),
            (Effect::Deny(denials), None) => {
                for denial in denials {
                    self.denial(policy, denial, enforcement);
                }
            }
            (Effect::Error(error), None) => self.failure(policy, &error, enforcement, on_error),
        }
    }

    fn denial(&mut self, policy: &str, denial: Denial, enforcement: Enforcement) {
        match enforcement {
            Enforcement::Dry => {}
            Enforcement::Warn => self.warn(policy, &denial.message),
            Enforcement::Deny => {
                if self.first.is_none() || self.first_is_failure {
                    let reason = denial.reason.clone().unwrap_or_else(|| FORBIDDEN.to_owned());
                    self.first = Some((self.code(denial.code), Some(reason)));
                    self.first_is_failure = false;
                }
                self.line(policy, &denial.message);
                self.cause(denial);
            }
        }
    }

    /// `Warn` and `Dry` turn failures into allows as well (research/jspolicy.md §5.3).
    fn failure(&mut self, policy: &str, error: &EvaluationError, enforcement: Enforcement, on_error: OnError) {
        let text = match self.style {
            Style::Merged => format!("policy failed: {}", error.message),
            Style::JsPolicy => error.message.clone(),
        };
        match (enforcement, on_error) {
            (Enforcement::Dry, _) => {}
            (Enforcement::Warn, _) => self.warn(policy, &text),
            (Enforcement::Deny, OnError::Allow) => {
                self.warn(policy, &text);
                self.annotate(policy, "error", &format!("{}: {}", error.cause.as_str(), error.message));
            }
            (Enforcement::Deny, OnError::Deny) => {
                if self.first.is_none() {
                    let reason = (self.style == Style::Merged).then(|| "InternalError".to_owned());
                    self.first = Some((FAILED_CODE, reason));
                    self.first_is_failure = true;
                }
                self.line(policy, &text);
                if self.style == Style::Merged {
                    let reason = Some("InternalError".to_owned());
                    self.cause(Denial { message: text, reason, ..Denial::default() });
                }
            }
        }
    }

    /// What is no HTTP error would reach the client as another code than the author wrote.
    fn code(&self, code: Option<u16>) -> u16 {
        match (self.style, code) {
            (Style::Merged, Some(code @ 400..=599)) | (Style::JsPolicy, Some(code @ 1..)) => code,
            _ => FORBIDDEN_CODE,
        }
    }

    fn line(&mut self, policy: &str, message: &str) {
        if self.lines.len() == MOST_LINES {
            self.more += 1;
            return;
        }
        self.lines.push(match self.style {
            Style::Merged => format!("[{policy}] {}", paragraph(message, LONGEST_LINE)),
            Style::JsPolicy => paragraph(message, LONGEST_LONE_MESSAGE),
        });
    }

    /// jsPolicy gave no causes; a module policy behind its path gives those that name a field.
    fn cause(&mut self, denial: Denial) {
        let wanted = self.style == Style::Merged || denial.field.is_some();
        if wanted && self.causes.len() < MOST_CAUSES {
            let message = paragraph(&denial.message, LONGEST_CAUSE);
            let reason = denial.reason.or_else(|| Some(FORBIDDEN.to_owned()));
            let field = denial.field.map(|field| paragraph(&field, LONGEST_CAUSE));
            self.causes.push(Denial { message, field, reason, code: denial.code });
        }
    }

    fn warn(&mut self, policy: &str, text: &str) {
        let prefix = match self.style {
            Style::Merged => format!("[{policy}] "),
            Style::JsPolicy => format!("[{policy}]: "),
        };
        self.warnings.push(&prefix, text);
    }

    fn annotate(&mut self, policy: &str, key: &str, value: &str) {
        self.audit.push((self.style == Style::Merged).then_some(policy), key, value);
    }

    fn into_decision(mut self, patch: Vec<PatchOp>) -> Decision {
        if self.more > 0 {
            self.lines.push(format!("and {} more", self.more));
        }
        let lines = self.lines;
        let causes = self.causes;
        let status = self.first.map(|(code, reason)| Status { code, reason, message: lines.join("; "), causes });
        Decision {
            allowed: status.is_none(),
            patch: if status.is_none() { patch } else { Vec::new() },
            status,
            warnings: self.warnings.into_lines(),
            audit: self.audit.into_pairs(),
        }
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
