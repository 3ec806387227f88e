//! Who runs it: bounded queues, threads that own isolates, and a way out for every job whatever becomes of them.
//!
//! [`Pool::validate`] and [`Pool::mutate`] take the policies that match a review and give their verdicts by the
//! deadline: a policy that is still at work by then counts as timed out, and so does one that never got its turn.

mod census;
mod job;
mod lane;
mod standing;
mod thread;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arc_swap::ArcSwap;
use crossbeam_channel::{TrySendError, bounded};
use tokio::sync::oneshot;

use crate::decision::Cause;
use crate::host::Host;
use crate::isolate::{Evaluated, Input, Limits};
use crate::policy::{Catalog, Dialect, Isolation, Revision};
use crate::telemetry::Metrics;
use job::{Job, Policies, Work, errors, fail};
use lane::{Lane, Queues, Shared};

/// How many threads, isolates and waiting jobs.
#[derive(Debug, Clone, Copy)]
pub struct PoolSize {
    /// Threads for policies that only compute: the cores.
    pub threads: usize,
    /// Threads for policies that may wait for the API server or the network.
    pub waiting_threads: usize,
    /// Jobs that wait for a thread in each lane; one more is turned away at once.
    pub queue: usize,
    /// Isolates a thread keeps.
    pub isolates_a_thread: NonZeroUsize,
}

impl PoolSize {
    /// For a machine with this many cores.
    #[must_use]
    pub fn for_cores(cores: usize) -> Self {
        let isolates_a_thread = NonZeroUsize::MIN.saturating_add(7);
        Self { threads: cores.max(1), waiting_threads: (cores * 2).max(4), queue: 1_024, isolates_a_thread }
    }
}

/// The isolate threads and their queues.
pub struct Pool {
    queues: Queues,
    shared: Arc<Shared>,
}

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("cannot start an isolate thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl Pool {
    /// Starts the threads; they load the catalog's policies on their own.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(
        size: PoolSize,
        host: Host,
        limits: Arc<Limits>,
        catalog: Arc<ArcSwap<Catalog>>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, PoolError> {
        let threads = size.threads + size.waiting_threads;
        let shared = Arc::new(Shared::new(host, limits, catalog, metrics, size.isolates_a_thread, threads));
        let lane = |name, waits, threads| -> Result<_, PoolError> {
            let (sender, queue) = bounded(size.queue);
            let lane = Arc::new(Lane { name, waits, queue, shared: Arc::clone(&shared) });
            for _ in 0..threads {
                thread::start(&lane)?;
            }
            Ok(sender)
        };
        let queues = Queues {
            quick: lane("quick", false, size.threads)?,
            waiting: lane("waiting", true, size.waiting_threads)?,
        };
        Ok(Self { queues, shared })
    }

    /// Whether every thread has loaded what it served when it started.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.shared.was_ready()
    }

    /// Threads written off since the start, because a policy held them or ran them out of memory.
    #[must_use]
    pub fn lost_threads(&self) -> usize {
        self.shared.lost_threads.load(Ordering::Acquire)
    }

    /// The verdicts of validating policies, in the order given. Never later than the input's deadline.
    pub async fn validate(&self, input: &Input, revisions: &[Arc<Revision>]) -> Vec<Evaluated> {
        let Some(first) = revisions.first() else { return Vec::new() };
        if revisions.iter().all(|revision| shares_realm(revision) && revision.may_wait == first.may_wait) {
            return self.send(input, Work::Validate, revisions.into()).receive(input.deadline).await;
        }
        // Each of them is on its way before the first is waited for.
        let (shared, own): (Vec<_>, Vec<_>) = revisions.iter().partition(|revision| shares_realm(revision));
        let (waiting, quick): (Vec<_>, Vec<_>) = shared.into_iter().partition(|revision| revision.may_wait);
        let mut asked: Vec<Asked> = own
            .into_iter()
            .map(|revision| self.send(input, alone(revision, false), [Arc::clone(revision)].into()))
            .collect();
        for batch in [waiting, quick] {
            if !batch.is_empty() {
                asked.push(self.send(input, Work::Validate, batch.into_iter().cloned().collect()));
            }
        }
        let mut verdicts = Vec::with_capacity(revisions.len());
        for answer in asked {
            verdicts.extend(answer.receive(input.deadline).await);
        }
        let place = |evaluated: &Evaluated| revisions.iter().position(|one| one.spec.name == evaluated.verdict.policy);
        verdicts.sort_by_cached_key(place);
        verdicts
    }

    /// The verdicts of consecutive mutating policies that [`Pool::one_go`] lets run together. Fewer verdicts than
    /// policies mean that one of them ended the request.
    pub async fn mutate(&self, input: &Input, revisions: &[Arc<Revision>]) -> Vec<Evaluated> {
        let work = match revisions {
            [] => return Vec::new(),
            [only] if !shares_realm(only) => alone(only, true),
            _ => Work::Mutate,
        };
        self.send(input, work, revisions.into()).receive(input.deadline).await
    }

    /// How many of these mutating policies, from the first on, can run in one realm one after another.
    #[must_use]
    pub fn one_go(revisions: &[Arc<Revision>]) -> usize {
        let Some(first) = revisions.first() else { return 0 };
        if !shares_realm(first) {
            return 1;
        }
        revisions.iter().take_while(|next| shares_realm(next) && next.may_wait == first.may_wait).count()
    }

    fn send(&self, input: &Input, work: Work, policies: Policies) -> Asked {
        let may_wait = policies.first().is_some_and(|first| first.may_wait);
        let queue = if may_wait { &self.queues.waiting } else { &self.queues.quick };
        let (reply, answer) = oneshot::channel();
        let job = Job { work, policies: Arc::clone(&policies), input: input.clone(), reply };
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) = queue.try_send(job) {
            self.shared.metrics.shed.increment();
            fail(&job.policies, job.reply, Cause::Overload, "too many reviews wait for an isolate");
        }
        Asked { policies, answer }
    }
}

/// A job under way.
struct Asked {
    policies: Policies,
    answer: oneshot::Receiver<Vec<Evaluated>>,
}

impl Asked {
    /// The caller keeps its own time: it must not depend on a thread that may be stuck.
    async fn receive(self, deadline: Instant) -> Vec<Evaluated> {
        match tokio::time::timeout_at(deadline.into(), self.answer).await {
            Ok(Ok(verdicts)) => verdicts,
            Ok(Err(_)) => errors(&self.policies, Cause::Internal, "its isolate thread ended without an answer"),
            Err(_) => errors(&self.policies, Cause::Timeout, "gave no verdict before the deadline of the review"),
        }
    }
}

fn shares_realm(revision: &Revision) -> bool {
    revision.code.dialect == Dialect::Module && revision.spec.isolation == Isolation::Shared
}

/// How to run a policy that has a realm to itself.
fn alone(revision: &Revision, mutating: bool) -> Work {
    match revision.code.dialect {
        Dialect::Script => Work::Script,
        Dialect::Module => Work::Fresh { mutating },
    }
}

#[cfg(test)]
mod tests;
