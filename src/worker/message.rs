//! What the two processes say to each other. A supervisor asks, a worker answers; in between, the worker asks for what
//! the policy may have of the world.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::verdict::VerdictHead;
use crate::isolate::Limits;
use crate::policy::{Dialect, Enforcement, OnError, Permissions};

/// Both ends are the same binary; yet one may have been replaced on the disk while the other was running.
pub const VERSION: u32 = 2;

#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// First of all. The body is the linked SDK.
    Setup(Setup),
    /// The code of a policy, kept until it is forgotten. The body is the script, then its source map.
    Load(Box<Load>),
    Forget {
        revision: u64,
    },
    /// The body is the text of the request.
    Run(Order),
    /// To a call. The body is the answer's text.
    Answer(Answered),
}

#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// No policy has been near the process yet, so this much can be believed.
    Ready { version: u32, confinement: Confinement },
    /// The body is what the operation is asked with.
    Call { call: u64, operation: String },
    /// The body is a line that the policy printed.
    Line,
    /// The body is what the verdict says it is.
    Done { run: u64, verdict: Box<VerdictHead> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setup {
    pub version: u32,
    pub heap: usize,
    pub buffers: usize,
    pub cpu: Duration,
    pub startup: Duration,
    pub shared_prelude: Option<String>,
}

impl Setup {
    pub fn of(limits: &Limits) -> Self {
        let Limits { heap, buffers, cpu, startup, shared_prelude } = limits.clone();
        Self { version: VERSION, heap, buffers, cpu, startup, shared_prelude }
    }

    pub fn limits(&self) -> Limits {
        let Self { version: _, heap, buffers, cpu, startup, shared_prelude } = self.clone();
        Limits { heap, buffers, cpu, startup, shared_prelude }
    }
}

/// What a run needs to know of a policy.
#[derive(Debug, Serialize, Deserialize)]
pub struct Load {
    pub revision: u64,
    pub name: Arc<str>,
    pub dialect: Dialect,
    pub mutates: bool,
    pub workloads: bool,
    pub keeps_state: bool,
    pub enforcement: Enforcement,
    pub on_error: OnError,
    pub timeout: Duration,
    pub parameters: Arc<Value>,
    /// The realm is made by them; what is granted is decided by the supervisor alone.
    pub permissions: Permissions,
    pub origin: Arc<str>,
    pub hash: Arc<str>,
    pub entry: usize,
    /// Bytes of the script; the rest of the body is the source map, if any.
    pub script: usize,
}

/// In which realm a policy runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    Validate,
    Mutate,
    /// In a realm that is thrown away afterwards.
    Fresh {
        mutating: bool,
    },
    Script,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub run: u64,
    pub revision: u64,
    pub mode: Mode,
    pub namespace: Option<Arc<str>>,
    pub tenant: Arc<str>,
    pub is_virtual: bool,
    /// Bytes of the body, at its end, that are the object as the tenant knows it.
    pub view: Option<usize>,
    pub dry_run: bool,
    pub now: f64,
    pub measure: bool,
    /// Until the deadline of the review.
    pub left: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Answered {
    pub call: u64,
    pub outcome: Outcome,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The body is the answer.
    Text,
    Undefined,
    Error {
        reason: String,
        message: String,
    },
}

/// What holds a worker, as found when it was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    pub seccomp: bool,
    pub landlock: bool,
    /// Resources that the kernel took no limit for.
    pub unlimited: Vec<String>,
    /// What could still be done that must not be.
    pub open: Vec<String>,
}
