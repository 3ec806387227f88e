//! What is known of a pool thread outside of it: whether it counts as ready, and the job it is at, so that whoever
//! writes the thread off can still answer for it. The thread and the watchdog may both be at it, and only one wins.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::job::{Policies, Reply};
use super::lane::Shared;

pub(super) struct Standing {
    shared: Arc<Shared>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    job: Option<(Policies, Reply)>,
    is_ready: bool,
    is_gone: bool,
}

impl Standing {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, inner: Mutex::default() }
    }

    /// The thread begins a job.
    pub(super) fn begin(&self, policies: Policies, reply: Reply) {
        self.inner().job = Some((policies, reply));
    }

    /// The job that has not been answered yet. Whoever gets it answers.
    pub(super) fn take_job(&self) -> Option<(Policies, Reply)> {
        self.inner().job.take()
    }

    /// The thread has loaded what it serves.
    pub(super) fn become_ready(&self) {
        let mut inner = self.inner();
        if !inner.is_gone && !std::mem::replace(&mut inner.is_ready, true) {
            self.shared.thread_is_ready();
        }
    }

    /// The thread has ended, or is given up. Whether this is the first to say so.
    pub(super) fn leave(&self) -> bool {
        let mut inner = self.inner();
        if std::mem::take(&mut inner.is_ready) {
            self.shared.thread_is_gone();
        }
        !std::mem::replace(&mut inner.is_gone, true)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
