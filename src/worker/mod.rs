//! Worker processes: policies that must not share a process with anyone (`isolation: Process`, and whoever cost a thread
//! by running out of memory) run in a copy of this binary that can do nothing but compute and talk to us.
//!
//! ```text
//! Workers     which domain a policy belongs to; a bounded queue for each
//! Supervisor  one task a domain: job after job, a new worker when one ended   (domain, run)
//! Worker      a process and its socket                                       (process, frame, message)
//! child       the process: isolates, a door that leads back here             (child, link, sandbox)
//! ```
//!
//! The supervisor believes nothing that a worker says but the verdict of the policy it was asked about, and that within
//! bounds (`verdict`). Host calls are checked against the permissions that the supervisor knows, never against any that
//! a worker tells.

mod child;
mod death;
mod domain;
mod frame;
mod link;
mod message;
mod process;
mod run;
mod sandbox;
mod spare;
#[cfg(test)]
mod tests;
mod verdict;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout_at;

use crate::decision::{Cause, Verdict};
use crate::host::Host;
use crate::isolate::{Evaluated, Input, Limits, sdk_script};
use crate::policy::{Catalog, Dialect, Domain, Isolation, PolicySpec, Revision};
use crate::telemetry::Metrics;
use domain::{Job, Shared, Supervisor};
use message::{Mode, Setup};
use spare::Recipe;

pub use child::run;
pub use frame::{Bounds, FROM_WORKER, Frame, FrameError, encode, take};
pub use run::verdict_in;

/// Jobs that wait for one worker; one more is turned away at once.
const QUEUE: usize = 256;

/// Domains with a worker of their own: at some 30 MiB each, a few GiB. The one that was asked least lately loses its
/// worker to a new one.
const MAX_DOMAINS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// Domains that may wait for a worker to start; beyond them they wait for their turn to wait.
const TAKERS: usize = 64;

/// Why a process is no worker.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("cannot start: {0}")]
    Start(#[source] std::io::Error),
    #[error("it is not ready in time")]
    Late,
    #[error("it ended before it was ready")]
    Ended,
    #[error("this command is for `bylaw` itself: it starts a worker process with a socket as its standard input")]
    NotAWorker,
    #[error("the other process speaks version {theirs} of the protocol: was the binary replaced?")]
    Version { theirs: u32 },
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// What a policy is asked to do; a script does both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Validate,
    Mutate,
}

/// All worker processes of this server.
pub struct Workers {
    shared: Option<Arc<Shared>>,
    wanted: Arc<Notify>,
    domains: Mutex<LruCache<Domain, mpsc::Sender<Job>>>,
}

impl Workers {
    /// No process is started before one is needed. `program` is this binary, unless a test has another.
    #[must_use]
    pub fn new(host: &Host, limits: &Limits, metrics: &Arc<Metrics>, program: Option<PathBuf>) -> Self {
        let wanted = Arc::new(Notify::new());
        let shared = host.runtime().map(|runtime| {
            let recipe = Recipe {
                // Not its path: the file there may have been replaced, or have gone.
                program: program.unwrap_or_else(|| PathBuf::from("/proc/self/exe")),
                setup: Setup::of(limits),
                sdk: sdk_script().to_owned(),
                metrics: Arc::clone(metrics),
            };
            let (spares, takers) = mpsc::channel(TAKERS);
            runtime.spawn(spare::keep(recipe, Arc::clone(&wanted), takers));
            Arc::new(Shared {
                runtime: runtime.clone(),
                host: host.clone(),
                startup: limits.startup,
                metrics: Arc::clone(metrics),
                spares,
            })
        });
        Self { shared, wanted, domains: Mutex::new(LruCache::new(MAX_DOMAINS)) }
    }

    /// Whether a policy runs in a process: it asked for one, or once cost a thread by running out of memory.
    #[must_use]
    pub fn serves(revision: &Revision) -> bool {
        revision.spec.isolation == Isolation::Process || revision.conduct.has_run_out_of_memory()
    }

    /// Starts a worker ahead of time where a policy of this catalog will need one.
    pub fn prepare(&self, catalog: &Catalog) {
        if catalog.revisions.iter().any(|revision| Self::serves(revision)) {
            self.wanted.notify_one();
        }
    }

    /// The verdict of one policy, by the input's deadline, whatever becomes of its worker. Any policy may be run so, also
    /// one that did not ask for it.
    pub async fn run(&self, work: Work, input: &Input, revision: &Arc<Revision>) -> Evaluated {
        let error = |cause, why: &str| Verdict::error(revision.spec.name.clone(), cause, why).into();
        let Some(shared) = &self.shared else { return error(Cause::Internal, "there are no worker processes here") };
        let (reply, answer) = oneshot::channel();
        let job = Job { revision: Arc::clone(revision), input: input.clone(), mode: mode(work, revision), reply };
        match self.queue(shared, revision).try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                shared.metrics.shed.increment();
                return error(Cause::Overload, "too many reviews wait for its worker process");
            }
            Err(TrySendError::Closed(_)) => return error(Cause::Internal, "the server is shutting down"),
        }
        match timeout_at(input.deadline.into(), answer).await {
            Ok(Ok(evaluated)) => evaluated,
            Ok(Err(_)) => error(Cause::Internal, "its supervisor ended without an answer"),
            Err(_) => error(Cause::Timeout, "gave no verdict before the deadline of the review"),
        }
    }

    /// The queue of the policy's domain, and its supervisor behind it.
    fn queue(&self, shared: &Arc<Shared>, revision: &Revision) -> mpsc::Sender<Job> {
        let domain = domain(revision);
        let mut domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        let start = || {
            let (queue, jobs) = mpsc::channel(QUEUE);
            shared.runtime.spawn(Supervisor::new(Arc::clone(shared)).serve(jobs));
            queue
        };
        domains.get_or_insert(domain, start).clone()
    }
}

/// Whose worker runs it: a tenant's policies have one together, each policy of the host has one to itself.
fn domain(revision: &Revision) -> Domain {
    match &revision.domain {
        Domain::Tenant(tenant) => Domain::Tenant(Arc::clone(tenant)),
        Domain::Host | Domain::Controllers | Domain::Policy(_) => Domain::Policy(Arc::clone(&revision.spec.name)),
    }
}

/// Whether each run gets a realm of its own: nothing it keeps, and no code that it makes of text, is there for the next.
fn needs_realm(spec: &PolicySpec) -> bool {
    spec.keeps_state || spec.permissions.codegen || spec.isolation == Isolation::Fresh
}

fn mode(work: Work, revision: &Revision) -> Mode {
    let mutating = work == Work::Mutate;
    match revision.code.dialect {
        Dialect::Script => Mode::Script,
        Dialect::Module if needs_realm(&revision.spec) => Mode::Fresh { mutating },
        Dialect::Module if mutating => Mode::Mutate,
        Dialect::Module => Mode::Validate,
    }
}
