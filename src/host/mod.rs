//! The one door between a policy and the world: objects, the network, files, the environment.
//!
//! Every call of a policy comes through [`Host::call`] or [`Host::start`], is checked against the policy's permissions in
//! `permission`, and has a deadline and a bound on what it may bring back. Nothing is allowed that was not granted by name.

mod arguments;
mod error;
mod fetch;
mod files;
mod headers;
mod limits;
mod net;
mod objects;
mod permission;
mod selector;

use std::env;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::policy::spec::Permissions;

pub use error::HostError;
pub use limits::HostLimits;
pub use objects::Objects;

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
    pub deadline: Instant,
}

/// What policies may reach. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    runtime: Handle,
    objects: Objects,
    fetcher: Fetcher,
    limits: HostLimits,
}

/// A call whose permission was checked and whose arguments were read.
enum Begun {
    Done(Option<String>),
    Waits(Pending),
}

impl Host {
    #[must_use]
    pub fn new(runtime: Handle, objects: Objects, limits: HostLimits) -> Self {
        Self(Arc::new(Inner { runtime, objects, fetcher: Fetcher::new(limits), limits }))
    }

    /// Answers one call, waiting for it until the caller's deadline. `args` and the answer are JSON texts; the operations
    /// are `get list create update patch remove fetch env readFile`.
    ///
    /// Not for a thread of the runtime: it blocks.
    ///
    /// # Errors
    /// What the policy is to be thrown.
    pub fn call(&self, caller: &Caller<'_>, op: &str, args: &str) -> Answer {
        match self.begin(caller, op, args)? {
            Begun::Done(answer) => Ok(answer),
            Begun::Waits(work) => self.wait(caller.deadline, work),
        }
    }

    /// The same for a caller with an event loop. The work runs on the host's runtime, and ends when the future is dropped.
    ///
    /// # Errors
    /// At once, what is wrong with the call itself; in the future, what became of it.
    pub fn start(&self, caller: &Caller<'_>, op: &str, args: &str) -> Result<Pending, HostError> {
        match self.begin(caller, op, args)? {
            Begun::Done(answer) => Ok(Box::pin(std::future::ready(Ok(answer)))),
            Begun::Waits(work) => {
                let deadline = caller.deadline.into();
                // A timer is made inside the task, for the caller's thread has no runtime to make one.
                let timed = async move {
                    tokio::time::timeout_at(deadline, work).await.unwrap_or_else(|_| Err(HostError::timeout()))
                };
                let mut task = AbortOnDrop(self.0.runtime.spawn(timed));
                Ok(Box::pin(async move { (&mut task.0).await.unwrap_or_else(|_| Err(HostError::internal())) }))
            }
        }
    }

    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    fn begin(&self, caller: &Caller<'_>, op: &str, args: &str) -> Result<Begun, HostError> {
        let objects = &self.0.objects;
        match op {
            "get" => objects.get(caller, args),
            "list" => objects.list(caller, args, self.0.limits.list_bytes),
            "create" => objects.create(caller, args),
            "update" => objects.update(caller, args),
            "patch" => objects.patch(caller, args),
            "remove" => objects.remove(caller, args),
            "fetch" => self.0.fetcher.begin(caller, args),
            "env" => {
                let EnvArguments { name } = parse(op, args)?;
                permission::env(caller, &name)?;
                let value = env::var_os(&name).map(|value| json_string(&value.to_string_lossy()));
                Ok(Begun::Done(value))
            }
            "readFile" => {
                let FileArguments { path } = parse(op, args)?;
                files::begin(caller, path, self.0.limits.file_bytes)
            }
            _ => Err(HostError::new("WrongArguments", format!("there is no host function {op:?}"))),
        }
    }

    fn wait(&self, deadline: Instant, work: Pending) -> Answer {
        let (tell, answer) = sync_channel(1);
        let task = self.0.runtime.spawn(async move { tell.send(work.await) });
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
