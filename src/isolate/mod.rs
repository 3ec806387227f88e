//! Running policies: the only folder that knows V8, and the only one with `unsafe`.
//!
//! [`Cell`] is one isolate on one thread. It takes an [`Input`] and revisions, and gives verdicts; whatever a policy
//! does, it gives them within its limits, or the thread is written off through its [`Slot`].
#![allow(unsafe_code)]

mod answer;
mod batch;
mod buffers;
mod cell;
mod clock;
mod closed;
mod devtools;
mod entered;
mod evaluated;
mod failure;
mod fatal;
mod floor;
mod heap;
mod host;
mod input;
mod inspect;
mod modules;
mod platform;
mod priority;
mod process;
mod pure;
mod realm;
mod rejections;
mod scripts;
mod settle;
mod size;
mod slot;
mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod watchdog;

use std::sync::OnceLock;
use std::time::Duration;

pub use cell::{Cell, Spare};
pub use devtools::{DebugMessage, DebuggerPort, Tools};
pub use evaluated::Evaluated;
pub use floor::Floor;
pub use input::{Input, Vantage, no_tenant, now_millis};
pub use inspect::Inspector;
pub use platform::{Origin, init, origin, version};
pub use process::end;
pub(crate) use process::{close_inherited_descriptors, end_process};
pub use slot::{Fate, HOG_AFTER, KillCause, SLOW_AFTER, Slot};
pub(crate) use state::{MAX_HOST_BYTES, MAX_HOST_CALLS, MAX_LINES, MAX_UNDER_WAY, MAX_WAITING};

/// What one isolate, and one run in it, may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of V8 heap of one isolate.
    pub heap: usize,
    /// Bytes of `ArrayBuffer`s of one isolate, which the heap limit does not cover.
    pub buffers: usize,
    /// Processor time of one run of a module policy.
    pub cpu: Duration,
    /// Wall and processor time of a bundle's top level.
    pub startup: Duration,
    /// jsPolicy's `GLOBAL_CONTEXT`: a script that runs in every script realm before the policy.
    pub shared_prelude: Option<String>,
}

impl Limits {
    /// Bytes, at most, of an isolate that is at its end: V8 has raised its limit by then.
    #[must_use]
    pub const fn most_bytes(&self) -> usize {
        self.heap + heap::HEADROOM + self.buffers
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            heap: 64 << 20,
            buffers: 32 << 20,
            // Policies take microseconds; a second leaves the neighbours of a looping one nine of the API server's ten.
            cpu: Duration::from_secs(1),
            startup: Duration::from_secs(1),
            shared_prelude: None,
        }
    }
}

/// What went wrong outside of a review.
#[derive(Debug, thiserror::Error)]
pub enum IsolateError {
    #[error("{text}")]
    Threw {
        text: String,
        /// Line from 1, column from 0, in the bundled script.
        place: Option<(u32, u32)>,
    },
    #[error("{}", load_limit(*cause, *limit))]
    Killed { cause: KillCause, limit: Duration },
    #[error("the engine failed: {0}")]
    Engine(String),
    #[error("no isolate thread answers")]
    Gone,
}

/// What a bundle's top level used too much of.
fn load_limit(cause: KillCause, limit: Duration) -> String {
    match cause {
        KillCause::Memory => "used more memory than an isolate has, while it was loaded".to_owned(),
        KillCause::Wall | KillCause::Cpu => format!("took more than {limit:?} to load"),
    }
}

static SDK: OnceLock<String> = OnceLock::new();

/// Gives every realm the SDK, linked to one script whose completion value is its namespace. The first call wins.
pub fn set_sdk(script: String) {
    drop(SDK.set(script));
}

pub(crate) fn sdk_script() -> &'static str {
    SDK.get().map_or("({})", String::as_str)
}

/// Stack of a thread that enters isolates: V8 assumes nearly 1 MiB of its own, and natives need room above it.
pub const STACK: usize = 4 << 20;
