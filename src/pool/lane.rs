//! Two lanes of threads: one for policies that only compute, one for those that may wait for the outside world. A
//! policy that waits never holds a thread of one that cannot.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

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
    pub ready_threads: AtomicUsize,
    /// Threads written off since the start.
    pub lost_threads: AtomicUsize,
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
        may_wait(revision) == self.waits
    }
}

/// Whether a run may block on something outside of memory. Reads without a store behind them are counted in.
pub(super) fn may_wait(revision: &Revision) -> bool {
    let permissions = &revision.spec.permissions;
    !(permissions.read.is_empty() && permissions.write.is_empty() && permissions.net.is_empty() && permissions.files.is_empty())
}

/// The sending ends of both lanes.
pub(super) struct Queues {
    pub quick: Sender<Job>,
    pub waiting: Sender<Job>,
}
