//! What one policy said about one review.

use std::sync::Arc;
use std::time::Duration;

/// The verdict of one policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The policy's name.
    pub policy: Arc<str>,
    pub effect: Effect,
    /// In the order they were given, without a prefix.
    pub warnings: Vec<String>,
    /// Audit annotations; the key still without the policy's name.
    pub audit: Vec<(String, String)>,
    /// What a mutating policy changed: the object as JavaScript saw it before and after.
    pub mutation: Option<Mutation>,
    /// A controller wants to see the object again.
    pub requeue: Option<Requeue>,
}

/// When a controller wants to see an object again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requeue {
    /// After that time, and with nothing else in between; `None`: soon, and later each time.
    pub after: Option<Duration>,
    /// Why, for the log.
    pub message: String,
}

impl Verdict {
    /// A plain allow.
    #[must_use]
    pub fn allow(policy: Arc<str>) -> Self {
        let (warnings, audit) = (Vec::new(), Vec::new());
        Self { policy, effect: Effect::Allow, warnings, audit, mutation: None, requeue: None }
    }

    /// Whether it is an allow and nothing else.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.effect == Effect::Allow && self.warnings.is_empty() && self.audit.is_empty() && self.mutation.is_none()
    }

    /// A policy that could not say anything.
    #[must_use]
    pub fn error(policy: Arc<str>, cause: Cause, message: impl Into<String>) -> Self {
        let effect = Effect::Error(EvaluationError { cause, message: message.into() });
        Self { effect, ..Self::allow(policy) }
    }
}

/// The heart of a verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Allow,
    /// Never empty.
    Deny(Vec<Denial>),
    Error(EvaluationError),
}

/// One thing that is wrong with the object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Denial {
    pub message: String,
    /// JSON path of the field, such as `spec.containers[0].image`.
    pub field: Option<String>,
    /// `metav1.StatusReason`; `Forbidden` where absent.
    pub reason: Option<String>,
    /// HTTP status code; 403 where absent.
    pub code: Option<u16>,
}

/// Both sides of a mutation as JSON texts made by the same `JSON.stringify`, so that what JavaScript does to
/// numbers happens to both and never shows up as a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    pub before: String,
    pub after: String,
}

/// A policy that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    pub cause: Cause,
    /// For the reader of the denial: one line where it can be, never an object body.
    pub message: String,
}

/// Why a policy gave no verdict. Bounded: it is a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It threw, or a promise of it was rejected.
    Exception,
    /// It ran into the deadline of its review, or its own timeout.
    Timeout,
    /// It used more CPU time than it may.
    Cpu,
    /// It used more memory than it may.
    Memory,
    /// Its promise waits for something that can never come.
    Unsettled,
    /// It returned, or recorded, something of the wrong type or size.
    BadResult,
    /// Its namespace selector or a match condition could not be evaluated.
    Matching,
    /// No room or no time left to run it.
    Overload,
    /// Its last runs all had to be ended, so it is not asked for a while.
    Shunned,
    /// A fault of Bylaw's own.
    Internal,
}

impl Cause {
    /// The label in `bylaw_evaluation_errors_total{cause}`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exception => "exception",
            Self::Timeout => "timeout",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Unsettled => "unsettled",
            Self::BadResult => "bad_result",
            Self::Matching => "matching",
            Self::Overload => "overload",
            Self::Shunned => "shunned",
            Self::Internal => "internal",
        }
    }
}
