//! The one door between a policy and the world: objects, the network, files, the environment.
//!
//! Every call of a policy comes through [`Host::call`] or [`Host::start`], is checked against the policy's permissions in
//! `permission`, and has a deadline and a bound on what it may bring back. Nothing is allowed that was not granted by name.

mod api_fetch;
mod arguments;
mod error;
mod fetch;
mod files;
mod forward;
mod gate;
mod headers;
mod limits;
mod net;
mod objects;
mod permission;
mod pretence;
mod quota;
mod rehearsal;
mod selector;

use std::env;
use std::pin::Pin;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::ledger::{Ledger, Reserving};
use crate::policy::spec::Permissions;

pub use error::HostError;
pub use forward::{Forward, Tell};
pub use gate::{Gate, WrittenObject};
pub use limits::HostLimits;
pub(crate) use net::Target;
pub use objects::Objects;
pub use permission::covers_kind;
pub use pretence::Pretence;
pub use rehearsal::{Recorded, Rehearsal};

use arguments::{EnvArguments, FileArguments, parse};
use fetch::Fetcher;

/// JSON text for the policy; `None` is `undefined`.
pub type Answer = Result<Option<String>, HostError>;

/// An answer that is still being made.
pub type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Who asks, and until when it may wait.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub policy: &'a str,
    pub permissions: &'a Permissions,
    /// Writes are then sent with `dryRun=All`, so that the API server judges them but keeps nothing (what a webhook that
    /// declares `sideEffects: NoneOnDryRun` promises).
    pub dry_run: bool,
    /// It is a controller: its writes go through the [`Gate`].
    pub reconciles: bool,
    /// The review that it judges, where what it reserves is to go with that.
    pub review: Option<&'a Arc<Reserving>>,
    pub deadline: Instant,
}

/// What policies may reach. Cheap to clone.
#[derive(Clone)]
pub struct Host(Door);

#[derive(Clone)]
enum Door {
    Here(Arc<Inner>),
    /// In another process.
    There(Arc<dyn Forward>),
}

struct Inner {
    runtime: Handle,
    objects: Objects,
    fetcher: Fetcher,
    limits: HostLimits,
    gate: OnceLock<Arc<dyn Gate>>,
    ledger: OnceLock<Ledger>,
}

/// A call whose permission was checked and whose arguments were read.
enum Begun {
    Done(Option<String>),
    Waits(Pending),
}

impl Host {
    #[must_use]
    pub fn new(runtime: Handle, objects: Objects, limits: HostLimits) -> Self {
        let (fetcher, gate, ledger) = (Fetcher::new(limits), OnceLock::new(), OnceLock::new());
        Self(Door::Here(Arc::new(Inner { runtime, objects, fetcher, limits, gate, ledger })))
    }

    /// Whatever controllers write goes through this from now on; only the first call counts.
    pub fn set_gate(&self, gate: Arc<dyn Gate>) {
        if let Door::Here(inner) = &self.0 {
            drop(inner.gate.set(gate));
        }
    }

    /// Where reservations are kept from now on; only the first call counts. Without one they are this process's own.
    pub fn set_ledger(&self, ledger: Ledger) {
        if let Door::Here(inner) = &self.0 {
            drop(inner.ledger.set(ledger));
        }
    }

    /// The host functions of another process.
    #[must_use]
    pub fn forwarding(to: Arc<dyn Forward>) -> Self {
        Self(Door::There(to))
    }

    /// Answers one call, waiting for it until the caller's deadline. `args` and the answer are JSON texts; the operations
    /// are `get list create update patch apply remove fetch env readFile reserve claim`.
    ///
    /// Not for a thread of the runtime: it blocks.
    ///
    /// # Errors
    /// What the policy is to be thrown.
    pub fn call(&self, caller: &Caller<'_>, op: &str, args: &str) -> Answer {
        match &self.0 {
            Door::Here(inner) => match inner.begin(caller, op, args)? {
                Begun::Done(answer) => Ok(answer),
                Begun::Waits(work) => inner.wait(caller.deadline, work),
            },
            Door::There(forward) => forward.call(op, args, caller.deadline),
        }
    }

    /// The same for a caller with an event loop. The work runs on the host's runtime, and ends when the future is dropped.
    ///
    /// # Errors
    /// At once, what is wrong with the call itself; in the future, what became of it.
    pub fn start(&self, caller: &Caller<'_>, op: &str, args: &str) -> Result<Pending, HostError> {
        match &self.0 {
            Door::Here(inner) => inner.start(caller, op, args),
            Door::There(forward) => {
                let (tell, answer) = tokio::sync::oneshot::channel();
                forward.start(op, args, Box::new(move |told| drop(tell.send(told))))?;
                Ok(Box::pin(async move { answer.await.unwrap_or_else(|_| Err(HostError::internal())) }))
            }
        }
    }

    /// The same for a caller that does not wait: the work goes on until its deadline, and what became of it is told.
    ///
    /// # Errors
    /// What is wrong with the call itself; nothing will be told then.
    pub fn start_telling(&self, caller: &Caller<'_>, op: &str, args: &str, tell: Tell) -> Result<(), HostError> {
        match &self.0 {
            Door::Here(inner) => {
                let pending = inner.start(caller, op, args)?;
                inner.runtime.spawn(async move { tell(pending.await) });
                Ok(())
            }
            Door::There(forward) => forward.start(op, args, tell),
        }
    }

    /// Hands on what a policy prints; false where that is the caller's own business.
    #[must_use]
    pub fn print(&self, line: &str) -> bool {
        match &self.0 {
            Door::Here(inner) => inner.objects.print(line),
            Door::There(forward) => {
                forward.print(line);
                true
            }
        }
    }

    /// Where the work of calls runs; none where they are handed on.
    #[must_use]
    pub fn runtime(&self) -> Option<&Handle> {
        match &self.0 {
            Door::Here(inner) => Some(&inner.runtime),
            Door::There(_) => None,
        }
    }
}

impl Inner {
    fn start(&self, caller: &Caller<'_>, op: &str, args: &str) -> Result<Pending, HostError> {
        match self.begin(caller, op, args)? {
            Begun::Done(answer) => Ok(Box::pin(std::future::ready(Ok(answer)))),
            Begun::Waits(work) => {
                let deadline = caller.deadline.into();
                // A timer is made inside the task, for the caller's thread has no runtime to make one.
                let timed = async move {
                    tokio::time::timeout_at(deadline, work).await.unwrap_or_else(|_| Err(HostError::timeout()))
                };
                let mut task = AbortOnDrop(self.runtime.spawn(timed));
                Ok(Box::pin(async move { (&mut task.0).await.unwrap_or_else(|_| Err(HostError::internal())) }))
            }
        }
    }

    fn begin(&self, caller: &Caller<'_>, op: &str, args: &str) -> Result<Begun, HostError> {
        let objects = &self.objects;
        match op {
            "get" => objects.get(caller, args),
            "list" => objects.list(caller, args, self.limits.list_bytes),
            "create" => objects.create(caller, args, self.gate.get()),
            "update" => objects.update(caller, args, self.gate.get()),
            "patch" => objects.patch(caller, args, self.gate.get()),
            "apply" => objects.apply(caller, args, self.gate.get()),
            "remove" => objects.remove(caller, args, self.gate.get()),
            "fetch" => self.fetcher.begin(caller, args, objects),
            "env" => {
                let EnvArguments { name } = parse(op, args)?;
                permission::env(caller, &name)?;
                let value = match objects.pretence() {
                    Some(pretence) => pretence.variable(&name),
                    None => env::var_os(&name).map(|value| value.to_string_lossy().into_owned()),
                };
                Ok(Begun::Done(value.as_deref().map(json_string)))
            }
            "readFile" => {
                let FileArguments { path } = parse(op, args)?;
                files::begin(caller, path, self.limits.file_bytes, objects.pretence())
            }
            "reserve" | "claim" => match objects.ledger() {
                Some(rehearsed) => quota::begin(caller, op, args, &rehearsed),
                None => quota::begin(caller, op, args, self.ledger.get_or_init(Ledger::default)),
            },
            _ => Err(HostError::new("WrongArguments", format!("there is no host function {op:?}"))),
        }
    }

    fn wait(&self, deadline: Instant, work: Pending) -> Answer {
        let (tell, answer) = sync_channel(1);
        let task = self.runtime.spawn(async move { tell.send(work.await) });
        match answer.recv_timeout(deadline.saturating_duration_since(Instant::now()).max(SHORTEST_WAIT)) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                task.abort();
                Err(HostError::timeout())
            }
            Err(RecvTimeoutError::Disconnected) => Err(HostError::internal()),
        }
    }
}

/// A call begun at the very deadline still gets what is at hand.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

struct AbortOnDrop(tokio::task::JoinHandle<Answer>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
