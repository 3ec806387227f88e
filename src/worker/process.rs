//! One worker process, as its supervisor holds it.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::WorkerError;
use super::death::{Broken, end_of};
use super::frame::{FROM_WORKER, Frame, FrameError, Incoming, TO_WORKER, encode};
use super::message::{Confinement, FromWorker, Load, Setup, ToWorker, VERSION};
use super::sandbox::CPU_SECONDS;
use crate::policy::Revision;
use crate::telemetry::{Metrics, WorkerEnd};

/// How long a worker may take to be ready, on a machine with better things to do.
const START: Duration = Duration::from_secs(20);

/// How long a worker that has closed its socket may take to be gone.
const GONE: Duration = Duration::from_secs(1);

/// Policies whose code a worker keeps: all of a tenant's, and the last revision of one that was changed.
const MAX_LOADED: usize = 32;

/// Time at work after which a worker is replaced, well before its processor time is used up.
const LIFE: Duration = Duration::from_secs(CPU_SECONDS / 2);

/// A worker that is ready. Dropped, its process is killed.
pub struct Worker {
    // First, so that nothing is read from a process that is being killed.
    outgoing: OwnedWriteHalf,
    incoming: Incoming<OwnedReadHalf>,
    child: Child,
    loaded: Vec<Loaded>,
    last_revision: u64,
    last_run: u64,
    at_work: Duration,
    _counted: Counted,
}

struct Loaded {
    id: u64,
    revision: Arc<Revision>,
}

/// One more in `bylaw_workers` for as long as it is kept.
struct Counted(Arc<Metrics>);

impl Counted {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.workers.add(1);
        Self(Arc::clone(metrics))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.workers.add(-1);
    }
}

impl Worker {
    /// Starts a process and waits until it has shut itself in.
    ///
    /// # Errors
    /// Where the system gives no process, or it does not become a worker.
    pub async fn start(
        program: &Path,
        setup: &Setup,
        sdk: &str,
        metrics: &Arc<Metrics>,
    ) -> Result<(Self, Confinement), WorkerError> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(WorkerError::Start)?;
        let mut command = Command::new(program);
        // Its socket is its standard input: no descriptor but these three is handed on.
        command.arg("worker").arg0("bylaw").env_clear().envs(time_zone()).current_dir("/").kill_on_drop(true);
        command.stdin(std::os::fd::OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(WorkerError::Start)?;
        // Nothing of ours may keep the other end open.
        drop(command);
        let mut worker = Self::over(ours, child, metrics).map_err(WorkerError::Start)?;
        let introduced = timeout(START, worker.introduce(setup, sdk)).await.map_err(|_| WorkerError::Late)?;
        introduced.map(|confinement| (worker, confinement))
    }

    /// A worker at the other end of this socket.
    pub(super) fn over(
        socket: std::os::unix::net::UnixStream,
        child: Child,
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (incoming, outgoing) = UnixStream::from_std(socket)?.into_split();
        Ok(Self {
            outgoing,
            incoming: Incoming::new(incoming, FROM_WORKER),
            child,
            loaded: Vec::new(),
            last_revision: 0,
            last_run: 0,
            at_work: Duration::ZERO,
            _counted: Counted::new(metrics),
        })
    }

    async fn introduce(&mut self, setup: &Setup, sdk: &str) -> Result<Confinement, WorkerError> {
        self.send(&ToWorker::Setup(setup.clone()), &[sdk.as_bytes()]).await?;
        let frame = self.incoming.next().await?.ok_or(WorkerError::Ended)?;
        match frame.head()? {
            FromWorker::Ready { version: VERSION, confinement } => Ok(confinement),
            FromWorker::Ready { version, .. } => Err(WorkerError::Version { theirs: version }),
            _ => Err(WorkerError::NotAWorker),
        }
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// Where it is too long, or the worker is gone.
    pub async fn send(&mut self, head: &impl Serialize, body: &[&[u8]]) -> Result<(), FrameError> {
        let frame = encode(TO_WORKER, head, body)?;
        Ok(self.outgoing.write_all(&frame).await?)
    }

    /// What the worker says next.
    ///
    /// # Errors
    /// Where it is no frame, or the worker is gone.
    pub async fn next(&mut self) -> Result<Frame, Broken> {
        self.incoming.next().await?.ok_or(Broken::Ended)
    }

    /// Sees to it that the worker has the code of a policy; its number there.
    ///
    /// # Errors
    /// Where the worker is gone.
    pub async fn load(&mut self, revision: &Arc<Revision>) -> Result<u64, FrameError> {
        if let Some(at) = self.loaded.iter().position(|known| Arc::ptr_eq(&known.revision, revision)) {
            let known = self.loaded.remove(at);
            let id = known.id;
            self.loaded.push(known);
            return Ok(id);
        }
        while self.loaded.len() >= MAX_LOADED {
            let oldest = self.loaded.remove(0);
            self.send(&ToWorker::Forget { revision: oldest.id }, &[]).await?;
        }
        self.last_revision += 1;
        let id = self.last_revision;
        let map = revision.code.source_map.as_deref().unwrap_or_default();
        let load = ToWorker::Load(Box::new(load(id, revision)));
        self.send(&load, &[revision.code.script.as_bytes(), map.as_bytes()]).await?;
        self.loaded.push(Loaded { id, revision: Arc::clone(revision) });
        Ok(id)
    }

    /// A number that no other run of this worker has.
    pub fn next_run(&mut self) -> u64 {
        self.last_run += 1;
        self.last_run
    }

    /// Takes note of the time of a run. Whether it is time for another worker.
    pub fn is_worn(&mut self, by: Duration) -> bool {
        self.at_work += by;
        self.at_work >= LIFE
    }

    /// Waits until the process has ended by itself.
    pub async fn gone(&mut self) -> Option<ExitStatus> {
        self.child.wait().await.ok()
    }

    /// Ends the process, if it has not ended: what it died of, and how it exited if it did so by itself.
    pub async fn end(mut self, broken: &Broken) -> (WorkerEnd, Option<ExitStatus>) {
        if matches!(end_of(broken, None), WorkerEnd::Protocol | WorkerEnd::Timeout) {
            return (end_of(broken, None), None);
        }
        let status = timeout(GONE, self.gone()).await.ok().flatten();
        (end_of(broken, status), status)
    }
}

/// Policies see the same local time in every process. The name comes from where the C library has it from; the worker
/// could not read the file.
fn time_zone() -> Option<(&'static str, String)> {
    let named = std::env::var("TZ").ok().filter(|name| !name.is_empty());
    let linked = || {
        let link = std::fs::read_link("/etc/localtime").ok()?;
        Some(link.to_str()?.split_once("zoneinfo/")?.1.to_owned())
    };
    let name = named.or_else(linked)?;
    (!matches!(&*name, "UTC" | "Etc/UTC")).then_some(("TZ", name))
}

fn load(id: u64, revision: &Revision) -> Load {
    let Revision { spec, code, .. } = revision;
    Load {
        revision: id,
        name: Arc::clone(&spec.name),
        dialect: code.dialect,
        mutates: spec.mutates,
        workloads: spec.rules.workloads,
        keeps_state: spec.keeps_state,
        enforcement: spec.enforcement,
        on_error: spec.on_error,
        timeout: spec.timeout,
        parameters: Arc::clone(&spec.parameters),
        permissions: spec.permissions.clone(),
        origin: Arc::clone(&code.origin),
        hash: Arc::clone(&code.hash),
        entry: code.entry,
        script: code.script.len(),
    }
}
