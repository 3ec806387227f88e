//! What the watches bring to one controller: only objects whose own labels it selects.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::queue::{Key, Known, Next, Queue};
use crate::cluster::{Kind, Listener, StoredObject};
use crate::matching::Matcher;
use crate::telemetry::{Metrics, PolicyMetrics};

pub(super) struct Inbox {
    queue: Mutex<Queue>,
    news: Notify,
    matcher: Arc<Matcher>,
    metrics: Arc<Metrics>,
    own: Arc<PolicyMetrics>,
}

impl Inbox {
    pub fn new(queue: Queue, matcher: Arc<Matcher>, metrics: Arc<Metrics>, own: Arc<PolicyMetrics>) -> Self {
        Self { queue: Mutex::new(queue), news: Notify::new(), matcher, metrics, own }
    }

    /// The next object to look at, as soon as there is one.
    pub async fn next(&self) -> (Key, Known) {
        loop {
            let due = {
                let mut queue = self.queue();
                if let Some(taken) = queue.take(Instant::now()) {
                    self.own.set_queued(queue.waiting());
                    return taken;
                }
                queue.due()
            };
            tokio::select! {
                () = self.news.notified() => {}
                () = until(due) => {}
            }
        }
    }

    pub fn done(&self, key: &Key, next: Next) {
        let mut queue = self.queue();
        queue.done(key, next, Instant::now());
        self.own.set_queued(queue.waiting());
    }

    /// Whether some of what is there was not told, so that all of it must be looked at.
    pub fn take_missed(&self) -> bool {
        self.queue().take_missed()
    }

    fn add(&self, kind: &Kind, object: &StoredObject, is_gone: bool, is_change: bool) {
        if !self.matcher.selects_labels(&object.labels) {
            return;
        }
        let key = Key { kind: kind.clone(), namespace: Arc::clone(&object.namespace), name: Arc::clone(&object.name) };
        let last = is_gone.then(|| Arc::clone(&object.text));
        let mut queue = self.queue();
        if !queue.add(key, last, is_change) {
            self.metrics.controllers_dropped.increment();
        }
        self.own.set_queued(queue.waiting());
        drop(queue);
        self.news.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Inbox {
    fn there(&self, kind: &Kind, object: &StoredObject) {
        self.add(kind, object, false, false);
    }

    fn changed(&self, kind: &Kind, object: &StoredObject) {
        self.add(kind, object, false, true);
    }

    fn gone(&self, kind: &Kind, object: &StoredObject) {
        self.add(kind, object, true, true);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.own.set_queued(0);
    }
}

/// Waits for a time; for ever where there is none.
pub(super) async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
