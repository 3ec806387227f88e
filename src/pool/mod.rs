//! Who runs it: bounded queues, threads that own isolates, and a way out for every job whatever becomes of them.
//!
//! [`Pool::validate`] and [`Pool::mutate`] take the policies that match a review and give their verdicts by the
//! deadline: a policy that is still at work by then counts as timed out, and so does one that never got its turn.

mod account;
mod alone;
mod census;
mod fate;
mod heaps;
mod job;
mod lane;
mod plan;
mod queue;
mod size;
mod standing;
mod thread;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arc_swap::ArcSwap;
use futures::future::join_all;
use tokio::sync::oneshot;

use crate::decision::Cause;
use crate::host::Host;
use crate::isolate::{Evaluated, Input, Limits, Tools};
use crate::policy::{Catalog, Revision};
use crate::telemetry::Metrics;
use crate::worker::{self, Workers};
use alone::Alone;
pub use job::Policies;
use job::{Job, Reply, Task, Work};
use lane::{Lane, Purpose, Shared};
use plan::{Part, plan};
use queue::{FairQueue, Refusal};
pub use size::PoolSize;

pub(crate) use fate::warn_of;
pub(crate) use plan::shares_realm;

/// The isolate threads and their queues.
pub struct Pool {
    /// Runs everything, where there is one: then the queues have no threads.
    alone: Option<Alone>,
    quick: Arc<FairQueue>,
    apart: Arc<FairQueue>,
    waiting: Arc<FairQueue>,
    workers: Workers,
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
        let workers = Workers::new(&host, &limits, &metrics, None);
        workers.prepare(&catalog.load());
        let shared = Arc::new(Shared::new(host, limits, catalog, metrics, size));
        let queue = |purpose| Arc::new(FairQueue::new(size.capacity(purpose)));
        let (quick, apart, waiting) = (queue(Purpose::Quick), queue(Purpose::Apart), queue(Purpose::Waiting));
        let pool = Self { alone: None, quick, apart, waiting, workers, shared };
        for purpose in [Purpose::Quick, Purpose::Apart, Purpose::Waiting] {
            let apart = (purpose == Purpose::Quick).then(|| Arc::clone(&pool.apart));
            let queue = Arc::clone(pool.queue(purpose));
            let lane = Arc::new(Lane { purpose, queue, apart, shared: Arc::clone(&pool.shared) });
            for _ in 0..size.threads_of(purpose) {
                thread::start(&lane)?;
            }
        }
        Ok(pool)
    }

    /// One thread that runs everything in the order it is asked, so that `tools` see all of it: for cases and debuggers.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn alone(host: Host, limits: Arc<Limits>, tools: Tools) -> Result<Self, PoolError> {
        let metrics = Arc::new(Metrics::default());
        let size = PoolSize { threads: 0, spares: 0, apart_threads: 0, waiting_threads: 0, ..PoolSize::for_cores(1) };
        let workers = Workers::new(&host, &limits, &metrics, None);
        let alone = Some(Alone::start(host.clone(), Arc::clone(&limits), tools)?);
        let shared = Arc::new(Shared::new(host, limits, Arc::default(), metrics, size));
        let queue = |purpose| Arc::new(FairQueue::new(size.capacity(purpose)));
        let (quick, apart, waiting) = (queue(Purpose::Quick), queue(Purpose::Apart), queue(Purpose::Waiting));
        Ok(Self { alone, quick, apart, waiting, workers, shared })
    }

    /// What the tools of a pool with one thread measured so far: answers of V8's profiler, one a heap.
    pub async fn coverage(&self, deadline: Instant) -> Vec<String> {
        match &self.alone {
            Some(alone) => alone.coverage(deadline).await,
            None => Vec::new(),
        }
    }

    /// Loads policies ahead of their first run, on a pool with one thread.
    pub async fn load(&self, revisions: &[Arc<Revision>], deadline: Instant) {
        if let Some(alone) = &self.alone {
            alone.load(revisions, deadline).await;
        }
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

    /// Bytes, at most, that are held for ever by isolates that ran out of memory.
    #[must_use]
    pub fn lost_bytes(&self) -> usize {
        self.shared.parked_threads.load(Ordering::Acquire).saturating_mul(self.shared.limits.most_bytes())
    }

    /// What the isolates may take together, in bytes.
    #[must_use]
    pub fn memory_budget(&self) -> usize {
        self.shared.size.memory
    }

    /// Runs that may go on at once for which no request waits: half of the threads that may wait are for those that do.
    #[must_use]
    pub fn background_runs(&self) -> usize {
        (self.shared.size.waiting_threads / 2).max(1)
    }

    /// The catalog is another: idle threads load what is new in it.
    pub fn refresh(&self) {
        for queue in [&self.quick, &self.apart, &self.waiting] {
            queue.wake_all();
        }
        self.workers.prepare(&self.shared.catalog.load());
    }

    /// The verdicts of validating policies, in the order given. Never later than the input's deadline.
    pub async fn validate(&self, input: &Input, revisions: &Policies) -> Vec<Evaluated> {
        if let Some(alone) = &self.alone {
            return alone.run(input, false, revisions).await;
        }
        let verdicts = self.ask(input, revisions).await;
        self.ask_again(input, revisions, verdicts).await
    }

    /// Closed scripts that turned out to need a realm of their own get one.
    async fn ask_again(
        &self,
        input: &Input,
        revisions: &[Arc<Revision>],
        mut verdicts: Vec<Evaluated>,
    ) -> Vec<Evaluated> {
        let again: Vec<(usize, Asked)> = verdicts
            .iter()
            .enumerate()
            .filter(|(_, one)| one.is_open)
            .filter_map(|(at, one)| {
                let revision = revisions.iter().find(|revision| revision.spec.name == one.verdict.policy)?;
                let policies = [Arc::clone(revision)].into();
                Some((at, self.send(Purpose::Waiting, Task { work: Work::Script, policies, input: input.clone() })))
            })
            .collect();
        for (at, asked) in again {
            let answer = asked.receive(input.deadline).await.pop();
            if let Some((place, answer)) = verdicts.get_mut(at).zip(answer) {
                *place = answer;
            }
        }
        verdicts
    }

    async fn ask(&self, input: &Input, revisions: &Policies) -> Vec<Evaluated> {
        let now = Instant::now();
        if let Some(purpose) = plan::together(revisions, now) {
            let task = Task { work: Work::Validate, policies: Arc::clone(revisions), input: input.clone() };
            return in_order(self.send(purpose, task).receive(input.deadline).await, revisions);
        }
        let parts = plan(revisions, now);
        // Each of them is on its way before the first is waited for.
        let mut verdicts = Vec::with_capacity(revisions.len());
        let mut asked = Vec::with_capacity(parts.len());
        let mut in_workers = Vec::new();
        for part in parts {
            match part {
                Part::Run { work, purpose, policies } => {
                    asked.push(self.send(purpose, Task { work, policies: policies.into(), input: input.clone() }));
                }
                Part::InWorker(policy) => in_workers.push(self.ask_worker(worker::Work::Validate, input, policy)),
                Part::Known(evaluated) => verdicts.push(*evaluated),
            }
        }
        verdicts.extend(join_all(in_workers).await);
        for answer in asked {
            verdicts.extend(answer.receive(input.deadline).await);
        }
        in_order(verdicts, revisions)
    }

    /// The verdicts of consecutive mutating policies that [`Pool::one_go`] lets run together. Fewer verdicts than
    /// policies mean that one of them ended the request.
    pub async fn mutate(&self, input: &Input, revisions: &[Arc<Revision>]) -> Vec<Evaluated> {
        let Some(first) = revisions.first() else { return Vec::new() };
        if let Some(alone) = &self.alone {
            return alone.run(input, true, revisions).await;
        }
        let (work, purpose) = match plan::alone(first, true, Instant::now()) {
            Part::Known(evaluated) => return vec![*evaluated],
            Part::InWorker(policy) => return vec![self.ask_worker(worker::Work::Mutate, input, policy).await],
            Part::Run { work, purpose, .. } => (work, purpose),
        };
        let policies = if work == Work::Mutate { revisions.into() } else { [Arc::clone(first)].into() };
        let task = Task { work, policies, input: input.clone() };
        let verdicts = in_order(self.send(purpose, task).receive(input.deadline).await, revisions);
        self.ask_again(input, revisions, verdicts).await
    }

    /// How many of these mutating policies, from the first on, can run in one realm one after another.
    #[must_use]
    pub fn one_go(revisions: &[Arc<Revision>]) -> usize {
        plan::one_go(revisions, Instant::now())
    }

    async fn ask_worker(&self, work: worker::Work, input: &Input, revision: Arc<Revision>) -> Evaluated {
        self.workers.run(work, input, &revision).await
    }

    fn send(&self, purpose: Purpose, task: Task) -> Asked {
        let (to, answer) = oneshot::channel();
        let task = Arc::new(task);
        let job = Job { task: Arc::clone(&task), reply: Reply { to, known: Vec::new() } };
        if let Err((refusal, job)) = self.queue(purpose).push(job) {
            self.shared.metrics.shed.increment();
            job.fail(
                Cause::Overload,
                match refusal {
                    Refusal::Full => "too many reviews wait for an isolate",
                    Refusal::TooLate => "its turn would come after the deadline of the review",
                },
            );
        }
        Asked { task, answer }
    }

    fn queue(&self, purpose: Purpose) -> &Arc<FairQueue> {
        match purpose {
            Purpose::Quick => &self.quick,
            Purpose::Apart => &self.apart,
            Purpose::Waiting => &self.waiting,
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for queue in [&self.quick, &self.apart, &self.waiting] {
            queue.close();
        }
    }
}

/// A job under way.
struct Asked {
    task: Arc<Task>,
    answer: oneshot::Receiver<Vec<Evaluated>>,
}

impl Asked {
    /// The caller keeps its own time: it must not depend on a thread that may be stuck.
    async fn receive(self, deadline: Instant) -> Vec<Evaluated> {
        match tokio::time::timeout_at(deadline.into(), self.answer).await {
            Ok(Ok(verdicts)) => verdicts,
            Ok(Err(_)) => self.task.errors(Cause::Internal, "its isolate thread ended without an answer"),
            Err(_) => self.task.errors(Cause::Timeout, "gave no verdict before the deadline of the review"),
        }
    }
}

/// Verdicts in the order of their policies. Mostly they are.
fn in_order(mut verdicts: Vec<Evaluated>, revisions: &[Arc<Revision>]) -> Vec<Evaluated> {
    let of = |evaluated: &Evaluated, revision: &Arc<Revision>| {
        let (given, asked) = (&evaluated.verdict.policy, &revision.spec.name);
        Arc::ptr_eq(given, asked) || given == asked
    };
    if !verdicts.iter().zip(revisions).all(|(evaluated, revision)| of(evaluated, revision)) {
        verdicts.sort_by_cached_key(|evaluated| revisions.iter().position(|revision| of(evaluated, revision)));
    }
    verdicts
}

#[cfg(test)]
mod tests;
