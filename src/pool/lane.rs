//! Two lanes of threads: one for policies that only compute, one for those that may wait for the outside world. A
//! policy that waits never holds a thread of one that cannot.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender};

use super::job::Job;
use crate::host::Host;
use crate::isolate::Limits;
use crate::policy::{Catalog, Revision};
use crate::telemetry::Metrics;

/// What every thread of the pool refers to.
pub(super) struct Shared {
    pub host: Host,
    pub limits: Arc<Limits>,
    pub catalog: Arc<ArcSwap<Catalog>>,
    pub metrics: Arc<Metrics>,
    pub isolates_a_thread: NonZeroUsize,
    /// Threads of both lanes.
    pub threads: usize,
    ready_threads: AtomicUsize,
    was_ready: AtomicBool,
    /// Threads written off since the start.
    pub lost_threads: AtomicUsize,
}

impl Shared {
    pub(super) fn new(
        host: Host,
        limits: Arc<Limits>,
        catalog: Arc<ArcSwap<Catalog>>,
        metrics: Arc<Metrics>,
        isolates_a_thread: NonZeroUsize,
        threads: usize,
    ) -> Self {
        Self {
            host,
            limits,
            catalog,
            metrics,
            isolates_a_thread,
            threads,
            ready_threads: AtomicUsize::new(0),
            was_ready: AtomicBool::new(false),
            lost_threads: AtomicUsize::new(0),
        }
    }

    /// One more thread has loaded what it serves.
    pub(super) fn thread_is_ready(&self) {
        let ready = self.ready_threads.fetch_add(1, Ordering::AcqRel) + 1;
        if ready >= self.threads {
            self.was_ready.store(true, Ordering::Release);
        }
    }

    /// A thread that was ready is gone.
    pub(super) fn thread_is_gone(&self) {
        self.ready_threads.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether all threads were ready at some time. One that is replaced later does not take the server out of service,
    /// or a policy that costs a thread now and then would.
    pub(super) fn was_ready(&self) -> bool {
        self.was_ready.load(Ordering::Acquire)
    }

    #[cfg(test)]
    pub(super) fn ready_threads(&self) -> usize {
        self.ready_threads.load(Ordering::Acquire)
    }
}

/// A queue and the threads that take from it.
pub(super) struct Lane {
    pub name: &'static str,
    /// Whether its policies may wait.
    pub waits: bool,
    pub queue: Receiver<Job>,
    pub shared: Arc<Shared>,
}

impl Lane {
    /// Whether this lane runs the policy.
    pub(super) fn serves(&self, revision: &Revision) -> bool {
        revision.may_wait == self.waits
    }
}

/// The sending ends of both lanes.
pub(super) struct Queues {
    pub quick: Sender<Job>,
    pub waiting: Sender<Job>,
}
