//! One unit of work: what a thread takes from the queue and answers in one go.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::decision::{Cause, Verdict};
use crate::isolate::{Evaluated, Input};
use crate::policy::Revision;

/// The policies of a job: all of one domain, one lane and one review.
pub(super) type Policies = Arc<[Arc<Revision>]>;

/// Where the verdicts go.
pub(super) type Reply = oneshot::Sender<Vec<Evaluated>>;

/// How to run them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Validating module policies in the shared realm.
    Validate,
    /// Mutating module policies in the shared realm, in this order.
    Mutate,
    /// A module policy that must not share its realm.
    Fresh { mutating: bool },
    /// A jsPolicy script.
    Script,
}

/// Work, the review it is for, and where the verdicts go.
#[derive(Debug)]
pub(super) struct Job {
    pub work: Work,
    pub policies: Policies,
    pub input: Input,
    pub reply: Reply,
}

/// Answers for every policy with the same error. A caller that has gone has its answer already: it kept its own time.
pub(super) fn fail(policies: &[Arc<Revision>], reply: Reply, cause: Cause, why: &str) {
    drop(reply.send(errors(policies, cause, why)));
}

/// The same error from each of these policies.
pub(super) fn errors(policies: &[Arc<Revision>], cause: Cause, why: &str) -> Vec<Evaluated> {
    policies.iter().map(|revision| Verdict::error(revision.spec.name.clone(), cause, why).into()).collect()
}
