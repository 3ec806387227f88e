//! Who runs it: bounded queues, threads that own isolates, and a way out for every job whatever becomes of them.
//!
//! [`Pool::validate`] and [`Pool::mutate`] take the policies that match a review and give their verdicts by the
//! deadline: a policy that is still at work by then counts as timed out, and so does one that never got its turn.

mod job;
mod lane;
mod thread;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use crossbeam_channel::{TrySendError, bounded};
use tokio::sync::oneshot;

use crate::decision::Cause;
use crate::host::Host;
use crate::isolate::{Evaluated, Input, Limits};
use crate::policy::{Catalog, Dialect, Isolation, Revision};
use crate::telemetry::Metrics;
use job::{Job, Work, errors};
use lane::{Lane, Queues, Shared, may_wait};

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
    size: PoolSize,
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
        let shared = Arc::new(Shared {
            host,
            limits,
            catalog,
            metrics,
            isolates_a_thread: size.isolates_a_thread,
            ready_threads: AtomicUsize::new(0),
            lost_threads: AtomicUsize::new(0),
        });
        let lane = |name, waits, threads| -> Result<_, PoolError> {
            let (sender, queue) = bounded(size.queue);
            let lane = Arc::new(Lane { name, waits, queue, shared: Arc::clone(&shared) });
            for _ in 0..threads {
                thread::start(&lane)?;
            }
            Ok(sender)
        };
        let queues = Queues { quick: lane("quick", false, size.threads)?, waiting: lane("waiting", true, size.waiting_threads)? };
        Ok(Self { queues, shared, size })
    }

    /// Whether every thread has loaded what it serves.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.shared.ready_threads.load(Ordering::Acquire) >= self.size.threads + self.size.waiting_threads
    }

    /// Threads written off since the start, because a policy held them or ran them out of memory.
    #[must_use]
    pub fn lost_threads(&self) -> usize {
        self.shared.lost_threads.load(Ordering::Acquire)
    }

    /// The verdicts of validating policies, in the order given. Never later than the input's deadline.
    pub async fn validate(&self, input: &Input, revisions: &[Arc<Revision>]) -> Vec<Evaluated> {
        let mut batches: [Vec<Arc<Revision>>; 2] = [Vec::new(), Vec::new()];
        let mut asked = Vec::new();
        for revision in revisions {
            if shares_realm(revision) {
                batches[usize::from(may_wait(revision))].push(Arc::clone(revision));
            } else {
                asked.push(self.send(input, alone(revision, false)));
            }
        }
        asked.extend(batches.into_iter().filter(|batch| !batch.is_empty()).map(|batch| self.send(input, Work::Validate(batch))));

        let mut verdicts = Vec::with_capacity(revisions.len());
        for answer in asked {
            verdicts.extend(answer.receive(input.deadline).await);
        }
        if verdicts.len() > 1 {
            let place = |evaluated: &Evaluated| revisions.iter().position(|revision| revision.spec.name == evaluated.verdict.policy);
            verdicts.sort_by_cached_key(place);
        }
        verdicts
    }

    /// The verdicts of consecutive mutating policies that [`Pool::one_go`] lets run together. Fewer verdicts than
    /// policies mean that one of them ended the request.
    pub async fn mutate(&self, input: &Input, revisions: &[Arc<Revision>]) -> Vec<Evaluated> {
        let work = match revisions {
            [only] if !shares_realm(only) => alone(only, true),
            several => Work::Mutate(several.to_vec()),
        };
        self.send(input, work).receive(input.deadline).await
    }

    /// How many of these mutating policies, from the first on, can run in one realm one after another.
    #[must_use]
    pub fn one_go(revisions: &[Arc<Revision>]) -> usize {
        let Some(first) = revisions.first() else { return 0 };
        if !shares_realm(first) {
            return 1;
        }
        revisions.iter().take_while(|next| shares_realm(next) && may_wait(next) == may_wait(first)).count()
    }

    fn send(&self, input: &Input, work: Work) -> Asked {
        let revisions = work.revisions().to_vec();
        let queue = if revisions.first().is_some_and(|first| may_wait(first)) { &self.queues.waiting } else { &self.queues.quick };
        let (reply, answer) = oneshot::channel();
        let job = Job { work, input: input.clone(), reply };
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) = queue.try_send(job) {
            self.shared.metrics.shed.increment();
            job.fail(Cause::Overload, "too many reviews wait for an isolate");
        }
        Asked { revisions, answer }
    }
}

/// A job under way.
struct Asked {
    revisions: Vec<Arc<Revision>>,
    answer: oneshot::Receiver<Vec<Evaluated>>,
}

impl Asked {
    /// The caller keeps its own time: it must not depend on a thread that may be stuck.
    async fn receive(self, deadline: Instant) -> Vec<Evaluated> {
        match tokio::time::timeout_at(deadline.into(), self.answer).await {
            Ok(Ok(verdicts)) => verdicts,
            Ok(Err(_)) => errors(&self.revisions, Cause::Internal, "its isolate thread ended without an answer"),
            Err(_) => errors(&self.revisions, Cause::Timeout, "gave no verdict before the deadline of the review"),
        }
    }
}

fn shares_realm(revision: &Revision) -> bool {
    revision.code.dialect == Dialect::Module && revision.spec.isolation == Isolation::Shared
}

fn alone(revision: &Arc<Revision>, mutating: bool) -> Work {
    match revision.code.dialect {
        Dialect::Script => Work::Script(Arc::clone(revision)),
        Dialect::Module => Work::Fresh { revision: Arc::clone(revision), mutating },
    }
}
