//! What is known of a pool thread outside of it: whether it counts as ready, and the job it is at, so that whoever
//! writes the thread off can still answer for it. The thread and the watchdog may both be at it, and only one wins.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::job::{Job, Reply, Task};
use super::lane::Shared;
use super::queue::Seat;

pub(super) struct Standing {
    seat: Seat,
    shared: Arc<Shared>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    job: Option<Job>,
    /// The permit of the job that it took last.
    holds_permit: bool,
    is_ready: bool,
    is_gone: bool,
}

impl Standing {
    pub(super) fn new(seat: Seat, shared: Arc<Shared>) -> Self {
        Self { seat, shared, inner: Mutex::default() }
    }

    /// Its place at the queue.
    pub(super) fn seat(&self) -> Seat {
        self.seat
    }

    /// The thread begins a job.
    pub(super) fn begin(&self, task: Arc<Task>, reply: Reply) {
        self.inner().job = Some(Job { task, reply });
    }

    /// The job that has not been answered yet. Whoever gets it answers.
    pub(super) fn take_job(&self) -> Option<Job> {
        self.inner().job.take()
    }

    /// The task that has not been answered yet.
    pub(super) fn task(&self) -> Option<Arc<Task>> {
        self.inner().job.as_ref().map(|job| Arc::clone(&job.task))
    }

    /// The thread took a job from the queue, and a permit with it.
    pub(super) fn take_permit(&self) {
        self.inner().holds_permit = true;
    }

    /// Gives the permit back: whether there was one, so that it goes back to the queue once.
    pub(super) fn release_permit(&self) -> bool {
        std::mem::take(&mut self.inner().holds_permit)
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
