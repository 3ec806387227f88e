//! The webhook configurations of the cluster, whoever they belong to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Client;
use kube::runtime::watcher;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::render::Phase;
use crate::operator::feed::api_of;
use crate::operator::follow::{Seen, follow};

/// By kind and name.
pub(in crate::operator) type Configurations = BTreeMap<(Phase, String), Arc<Value>>;

/// What the watches of both kinds saw last. Dropping it ends them.
pub(in crate::operator) struct Observed {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

#[derive(Default)]
struct Shared {
    configurations: Mutex<Configurations>,
    /// For each kind whether all of it has been seen.
    complete: Mutex<[bool; 2]>,
    changes: watch::Sender<u64>,
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Observed {
    pub(in crate::operator) fn start(client: &Client, runtime: &Handle) -> Self {
        let shared = Arc::<Shared>::default();
        let tasks = Phase::BOTH.into_iter().map(|phase| {
            let api = api_of(client, "admissionregistration.k8s.io", "v1", phase.kind(), phase.plural());
            let shared = Arc::clone(&shared);
            let see = move |seen| shared.see(phase, seen);
            runtime.spawn(follow(api, watcher::Config::default(), see)).abort_handle()
        });
        let tasks = tasks.collect();
        Self { shared, tasks }
    }

    /// All of them; `None` until they have been seen once.
    pub(in crate::operator) fn all(&self) -> Option<Configurations> {
        let is_complete = self.shared.complete().iter().all(|complete| *complete);
        is_complete.then(|| self.shared.configurations().clone())
    }

    pub(in crate::operator) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

impl Shared {
    fn see(&self, phase: Phase, seen: Seen) {
        let name =
            |object: &Value| object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut configurations = self.configurations();
        match seen {
            Seen::All(objects) => {
                configurations.retain(|(of, _), _| *of != phase);
                configurations.extend(objects.into_iter().map(|object| ((phase, name(&object)), Arc::new(object))));
                if let Some(complete) = self.complete().get_mut(phase as usize) {
                    *complete = true;
                }
            }
            Seen::One(object) => drop(configurations.insert((phase, name(&object)), Arc::new(object))),
            Seen::Gone { name, .. } => drop(configurations.remove(&(phase, name))),
            Seen::Lost(_) => return,
        }
        drop(configurations);
        self.changes.send_modify(|count| *count += 1);
    }

    fn configurations(&self) -> MutexGuard<'_, Configurations> {
        self.configurations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self) -> MutexGuard<'_, [bool; 2]> {
        self.complete.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
