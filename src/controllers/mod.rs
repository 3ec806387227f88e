//! Controllers: policies that are asked about no request, and keep the objects that they match as they should be
//! (`reconcile`, and `type: Controller` of jsPolicy). Only the replica that leads runs them.
//!
//! ```text
//! kinds    what a controller watches      inbox    what the watches bring     queue   each object once, in turn
//! worker   object after object            request  what it is told            verdict what comes of it, and when again
//! gate     leadership and pace of writes  causes   who answers its own writes standing what its status says
//! ```
//!
//! Runs go through the pool like reviews, in a domain of their own, and half of the threads that may wait are not for them.
//! Watches are those that policies read from (`crate::cluster`): one a kind, however many controllers look at it.

mod causes;
mod gate;
mod inbox;
mod kinds;
mod pace;
mod queue;
mod request;
mod settings;
mod standing;
mod verdict;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::cluster::{Cluster, Survey};
use crate::decision::{Judged, Verdict};
use crate::engine::Engine;
use crate::host::Host;
use crate::operator::Leadership;
use crate::policy::{Catalog, Revision};
use crate::reports::Recorder;
use crate::telemetry::Metrics;
use gate::Writes;
use queue::Room;
use request::Subject;
pub use settings::ControllerSettings;
use standing::Board;
pub use standing::{Standing, Standings};
use worker::Worker;

/// Bytes that all queues may take together, last states of what is gone included.
const QUEUES: usize = 64 << 20;

/// Longer than any run: its timeout and its wait for an isolate.
const ENDS_WITHIN: Duration = Duration::from_mins(1);

/// What controllers need of the rest.
pub struct Setup {
    pub engine: Arc<Engine>,
    /// The door that they write through.
    pub host: Host,
    pub cluster: Cluster,
    /// Each catalog once it is in force.
    pub catalogs: watch::Receiver<Arc<Catalog>>,
    pub leadership: Leadership,
    pub recorder: Option<Recorder>,
    pub metrics: Arc<Metrics>,
}

/// Runs the controllers of a server. Dropping it ends them.
pub struct Controllers {
    task: AbortHandle,
    board: Board,
}

/// What all controllers share.
struct Shared {
    engine: Arc<Engine>,
    cluster: Cluster,
    survey: Survey,
    leadership: Leadership,
    writes: Writes,
    /// Runs that may go on at once.
    permits: Semaphore,
    room: Arc<Room>,
    board: Board,
    recorder: Option<Recorder>,
    metrics: Arc<Metrics>,
    settings: ControllerSettings,
}

impl Controllers {
    #[must_use]
    pub fn start(setup: Setup, settings: ControllerSettings, runtime: &Handle) -> Self {
        let Setup { engine, host, cluster, catalogs, leadership, recorder, metrics } = setup;
        let writes = Writes::new(leadership.clone(), settings.writes());
        host.set_gate(Arc::new(writes.clone()));
        let board = Board::default();
        let permits = Semaphore::new(engine.pool().background_runs());
        let shared = Shared {
            engine,
            survey: cluster.survey(),
            cluster,
            leadership,
            writes,
            permits,
            room: Arc::new(Room::new(QUEUES)),
            board: board.clone(),
            recorder,
            metrics,
            settings,
        };
        let task = runtime.spawn(keep(Arc::new(shared), catalogs)).abort_handle();
        Self { task, board }
    }

    /// How each of them stands.
    #[must_use]
    pub fn standings(&self) -> watch::Receiver<Standings> {
        self.board.watched()
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Tells in the cluster what a controller said of an object.
    fn record(&self, revision: &Revision, subject: &Subject<'_>, verdict: &Verdict) {
        if let Some((recorder, review)) = self.recorder.as_ref().zip(subject.review().ok()) {
            recorder.record_controller(&review, &Judged::by(&revision.spec, verdict.clone()));
        }
    }
}

/// A controller at work; dropping the sender stops it.
struct Running {
    revision: Arc<Revision>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Starts and stops controllers as the policies and the leadership change.
async fn keep(shared: Arc<Shared>, mut catalogs: watch::Receiver<Arc<Catalog>>) {
    let mut leadership = shared.leadership.clone();
    let mut running = BTreeMap::<Arc<str>, Running>::new();
    // Those that were told to stop, and are still at a run.
    let mut ending = BTreeMap::<Arc<str>, JoinHandle<()>>::new();
    while leadership.wait_for(true).await.is_some() {
        loop {
            let catalog = catalogs.borrow_and_update().clone();
            let is_same = |one: &Running| {
                let now = catalog.find(&one.revision.spec.name);
                now.is_some_and(|now| Arc::ptr_eq(now, &one.revision))
            };
            for (name, gone) in running.extract_if(.., |_, one| !is_same(one)) {
                ending.insert(name, gone.end());
            }
            ending.retain(|_, task| !task.is_finished());
            for revision in &catalog.controllers {
                let name = &revision.spec.name;
                if !running.contains_key(name) {
                    running.insert(Arc::clone(name), start(&shared, revision, ending.remove(name)));
                }
            }
            let is_kept = |name: &str| running.contains_key(name);
            shared.board.retain(is_kept);
            shared.writes.retain(is_kept);
            tokio::select! {
                changed = catalogs.changed() => if changed.is_err() { return },
                lost = leadership.wait_for(false) => match lost {
                    Some(()) => break,
                    None => return,
                },
            }
        }
        for (name, one) in std::mem::take(&mut running) {
            ending.insert(name, one.end());
        }
        shared.board.retain(|_| false);
    }
}

impl Running {
    fn end(self) -> JoinHandle<()> {
        self.stop.send_replace(true);
        self.task
    }
}

/// A controller never runs twice at once: the last run of what it was before comes to its end first.
fn start(shared: &Arc<Shared>, revision: &Arc<Revision>, before: Option<JoinHandle<()>>) -> Running {
    let (stop, stopped) = watch::channel(false);
    let worker = Worker::new(Arc::clone(shared), Arc::clone(revision));
    let task = tokio::spawn(async move {
        if let Some(before) = before {
            drop(tokio::time::timeout(ENDS_WITHIN, before).await);
        }
        if !*stopped.borrow() {
            worker.run(stopped).await;
        }
    });
    Running { revision: Arc::clone(revision), stop, task }
}
