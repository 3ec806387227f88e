//! Three lanes of threads: for policies that only compute, for those that compute for long, and for those that may
//! wait for the outside world. A policy that waits never holds a thread of one that cannot, and one that is slow holds
//! up its like alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use super::PoolSize;
use super::queue::FairQueue;
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
    pub size: PoolSize,
    ready_threads: AtomicUsize,
    was_ready: AtomicBool,
    /// Threads written off since the start.
    pub lost_threads: AtomicUsize,
    /// Those of them that hold their isolate's memory for ever.
    pub parked_threads: AtomicUsize,
}

impl Shared {
    pub(super) fn new(
        host: Host,
        limits: Arc<Limits>,
        catalog: Arc<ArcSwap<Catalog>>,
        metrics: Arc<Metrics>,
        size: PoolSize,
    ) -> Self {
        Self {
            host,
            limits,
            catalog,
            metrics,
            size,
            ready_threads: AtomicUsize::new(0),
            was_ready: AtomicBool::new(false),
            lost_threads: AtomicUsize::new(0),
            parked_threads: AtomicUsize::new(0),
        }
    }

    /// One more thread has loaded what it serves.
    pub(super) fn thread_is_ready(&self) {
        let ready = self.ready_threads.fetch_add(1, Ordering::AcqRel) + 1;
        if ready >= self.size.all_threads() {
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

/// What the threads of a lane are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Policies that only compute, and are done in no time.
    Quick,
    /// Policies that only compute, and were seen to take long.
    Apart,
    /// Policies that may wait for the API server or the network.
    Waiting,
}

impl Purpose {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Apart => "apart",
            Self::Waiting => "waiting",
        }
    }

    /// Whether its threads load this policy ahead of its first review.
    pub(super) fn serves(self, revision: &Revision) -> bool {
        match self {
            Self::Quick => !revision.may_wait,
            Self::Waiting => revision.may_wait,
            Self::Apart => false,
        }
    }
}

/// A queue and the threads that take from it.
pub(super) struct Lane {
    pub purpose: Purpose,
    pub queue: Arc<FairQueue>,
    /// Where jobs go whose policies turned out to be slow while they waited.
    pub apart: Option<Arc<FairQueue>>,
    pub shared: Arc<Shared>,
}
