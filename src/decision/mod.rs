//! What is answered: the verdicts of all policies merged into one decision, with one minimal patch.
//!
//! `verdict` says what one policy said, `merge` puts verdicts together in the order they came, `exact` carries the object
//! through the mutating policies without touching a number that none of them wrote, `diff` makes the JSON patch.

mod align;
mod apply;
mod audit;
mod diff;
mod error;
mod exact;
mod failure;
mod merge;
mod message;
mod patch;
mod verdict;

pub use apply::apply;
pub use diff::{DiffLimits, diff};
pub use error::PatchError;
pub use exact::{Document, Step};
pub use failure::undecided;
pub use merge::{Judged, Style, merge};
pub use patch::PatchOp;
pub use verdict::{Cause, Denial, Effect, EvaluationError, Mutation, Requeue, Verdict};

/// The merged answer to one AdmissionReview.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    pub allowed: bool,
    /// Set where the request is denied.
    pub status: Option<Status>,
    /// Each with the policy's name in front; at most 256 bytes each and 4 KiB together, no control characters.
    pub warnings: Vec<String>,
    /// Audit annotations, with the keys they have in the answer.
    pub audit: Vec<(String, String)>,
    /// Empty where nothing changes.
    pub patch: Vec<PatchOp>,
}

impl Decision {
    /// The answer of a server that has nothing to say.
    #[must_use]
    pub fn allow() -> Self {
        Self { allowed: true, ..Self::default() }
    }

    /// Whether the answer is a bare yes.
    #[must_use]
    pub fn is_plain_allow(&self) -> bool {
        self.allowed && self.warnings.is_empty() && self.audit.is_empty() && self.patch.is_empty()
    }
}

/// The parts of `metav1.Status` that a denial carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// `metav1.StatusReason`; absent where a jsPolicy script failed.
    pub reason: Option<String>,
    pub message: String,
    /// One for each thing that is wrong, as far as there is room.
    pub causes: Vec<Denial>,
}
