//! One unit of work: what a thread takes from the queue and answers in one go.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::decision::{Cause, Verdict};
use crate::isolate::{Evaluated, Input};
use crate::policy::Revision;

/// What to run. All policies of a job share one domain, one lane and one review.
#[derive(Debug)]
pub(super) enum Work {
    /// Validating module policies in the shared realm.
    Validate(Vec<Arc<Revision>>),
    /// Mutating module policies in the shared realm, in this order.
    Mutate(Vec<Arc<Revision>>),
    /// A module policy that must not share its realm.
    Fresh { revision: Arc<Revision>, mutating: bool },
    /// A jsPolicy script.
    Script(Arc<Revision>),
}

impl Work {
    pub(super) fn revisions(&self) -> &[Arc<Revision>] {
        match self {
            Self::Validate(revisions) | Self::Mutate(revisions) => revisions,
            Self::Fresh { revision, .. } | Self::Script(revision) => std::slice::from_ref(revision),
        }
    }
}

/// Work, the review it is for, and where the verdicts go.
#[derive(Debug)]
pub(super) struct Job {
    pub work: Work,
    pub input: Input,
    pub reply: oneshot::Sender<Vec<Evaluated>>,
}

impl Job {
    /// Answers for every policy with the same error.
    pub(super) fn fail(self, cause: Cause, why: &str) {
        let verdicts = errors(self.work.revisions(), cause, why);
        // A caller that has gone has its answer already: it kept its own time.
        drop(self.reply.send(verdicts));
    }
}

/// The same error from each of these policies.
pub(super) fn errors(revisions: &[Arc<Revision>], cause: Cause, why: &str) -> Vec<Evaluated> {
    revisions.iter().map(|revision| Verdict::error(revision.spec.name.clone(), cause, why).into()).collect()
}
