//! One unit of work: what a thread takes from the queue and answers in one go.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::decision::{Cause, Verdict};
use crate::isolate::{Evaluated, Input};
use crate::policy::{Domain, Revision};

/// The policies of a task: all of one domain, one lane and one review.
pub type Policies = Arc<[Arc<Revision>]>;

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

/// Which policies to run on which review, and how.
#[derive(Debug)]
pub(super) struct Task {
    pub work: Work,
    pub policies: Policies,
    pub input: Input,
}

impl Task {
    /// Whether it can be run again after a run that was not finished: nothing that it may do is seen outside.
    pub(super) fn is_repeatable(&self) -> bool {
        let writes = |revision: &Arc<Revision>| {
            if self.work != Work::Script && revision.code.proof().is_some() {
                // Whatever it is permitted, a closed script writes nothing.
                return false;
            }
            let permissions = &revision.spec.permissions;
            !permissions.write.is_empty() || !permissions.net.is_empty()
        };
        !self.policies.iter().any(writes)
    }

    /// The task without one policy.
    pub(super) fn without(&self, revision: &Arc<Revision>) -> Self {
        let others = self.policies.iter().filter(|other| !Arc::ptr_eq(other, revision));
        Self { work: self.work, policies: others.cloned().collect(), input: self.input.clone() }
    }

    /// The same error from each of its policies.
    pub(super) fn errors(&self, cause: Cause, why: &str) -> Vec<Evaluated> {
        errors(&self.policies, cause, why)
    }
}

/// Where the verdicts go, and those that are known already.
#[derive(Debug)]
pub(super) struct Reply {
    pub to: oneshot::Sender<Vec<Evaluated>>,
    pub known: Vec<Evaluated>,
}

impl Reply {
    /// A caller that has gone has its answer already: it kept its own time.
    pub(super) fn send(self, mut verdicts: Vec<Evaluated>) {
        verdicts.extend(self.known);
        drop(self.to.send(verdicts));
    }
}

/// A task, and where its verdicts go.
#[derive(Debug)]
pub(super) struct Job {
    pub task: Arc<Task>,
    pub reply: Reply,
}

impl Job {
    pub(super) fn domain(&self) -> &Domain {
        static HOST: Domain = Domain::Host;
        self.task.policies.first().map_or(&HOST, |first| &first.domain)
    }

    /// Answers for every policy with the same error.
    pub(super) fn fail(self, cause: Cause, why: &str) {
        let errors = self.task.errors(cause, why);
        self.reply.send(errors);
    }
}

/// The same error from each of these policies.
pub(super) fn errors(policies: &[Arc<Revision>], cause: Cause, why: &str) -> Vec<Evaluated> {
    policies.iter().map(|revision| Verdict::error(revision.spec.name.clone(), cause, why).into()).collect()
}
