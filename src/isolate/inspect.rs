//! Looks into bundles before they serve: what a module declares, whether a script compiles. On a thread of its own,
//! in a cell of its own, so that a hostile top level meets no request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use super::cell::Cell;
use super::slot::Slot;
use super::{IsolateError, Limits};
use crate::host::Host;
use crate::policy::{Dialect, Inspect, InspectError};

/// Bundles waiting to be inspected; loading a folder asks for one at a time.
const QUEUE: usize = 16;

struct Ask {
    origin: String,
    script: String,
    dialect: Dialect,
    reply: Sender<Result<Option<String>, IsolateError>>,
}

/// The inspection thread.
pub struct Inspector {
    /// Replaced, with its thread, when a bundle holds the thread in something that cannot be interrupted.
    asks: Mutex<Sender<Ask>>,
    limits: Arc<Limits>,
    host: Host,
}

impl Inspector {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(host: Host, limits: Arc<Limits>) -> std::io::Result<Self> {
        let asks = Mutex::new(spawn(host.clone(), Arc::clone(&limits))?);
        Ok(Self { asks, limits, host })
    }

    fn ask(&self, origin: &str, script: &str, dialect: Dialect) -> Result<Option<String>, IsolateError> {
        let (reply, answer) = bounded(1);
        let ask = Ask { origin: origin.to_owned(), script: script.to_owned(), dialect, reply };
        let patience = self.limits.startup * 3 + Duration::from_secs(1);
        let asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answered = match asks.send_timeout(ask, patience) {
            Ok(()) => answer.recv_timeout(patience).ok(),
            Err(_) => None,
        };
        if let Some(result) = answered {
            return result;
        }
        tracing::warn!(origin, "a bundle holds the inspection thread, which is written off");
        if let Ok(fresh) = spawn(self.host.clone(), Arc::clone(&self.limits)) {
            *self.asks.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        Err(IsolateError::Gone)
    }
}

impl Inspect for Inspector {
    fn inspect(&self, origin: &str, script: &str, dialect: Dialect) -> Result<Vec<serde_json::Value>, InspectError> {
        let declared = self.ask(origin, script, dialect).map_err(|error| {
            let place = match &error {
                IsolateError::Threw { place, .. } => *place,
                _ => None,
            };
            InspectError {
                message: error.to_string(),
                line: place.map(|(line, _)| line),
                column: place.map(|(_, column)| column),
            }
        })?;
        let Some(declared) = declared else { return Ok(Vec::new()) };
        serde_json::from_str(&declared).map_err(|error| InspectError {
            message: format!("its declaration cannot be read: {error}"),
            line: None,
            column: None,
        })
    }
}

/// What permission a module has stands in the module. One that throws without code generation gets it to say so, and
/// no further: whoever does not ask for it is told what it threw without.
fn describe(cell: &mut Cell, origin: &str, script: &str) -> Result<Option<String>, IsolateError> {
    let without = cell.describe(origin, script);
    let Err(IsolateError::Threw { text, place }) = without else { return without };
    if cell.condemned() {
        return Err(IsolateError::Threw { text, place });
    }
    match cell.describe_with_codegen(origin, script) {
        Ok(Some(declared)) if !asks_for_codegen(&declared) => Err(IsolateError::Threw { text, place }),
        // It came further, if not to its end.
        other => other,
    }
}

/// Whether all of a module's policies do: its top level runs in the realm of each.
fn asks_for_codegen(declared: &str) -> bool {
    let policies: Vec<serde_json::Value> = serde_json::from_str(declared).unwrap_or_default();
    !policies.is_empty() && policies.iter().all(|policy| policy.pointer("/permissions/codegen") == Some(&true.into()))
}

fn spawn(host: Host, limits: Arc<Limits>) -> std::io::Result<Sender<Ask>> {
    let (asks, asked) = bounded::<Ask>(QUEUE);
    let work = move || {
        let slot = Slot::register(|fate| {
            if fate.is_final() {
                tracing::warn!(?fate, "the inspection thread does not come back");
            }
        });
        let mut cell = None;
        while let Ok(ask) = asked.recv() {
            let cell_in_use =
                cell.get_or_insert_with(|| Cell::new(host.clone(), Arc::clone(&slot), Arc::clone(&limits)));
            let answer = match ask.dialect {
                Dialect::Module => describe(cell_in_use, &ask.origin, &ask.script),
                Dialect::Script => cell_in_use.check(&ask.origin, &ask.script).map(|()| None),
            };
            if cell_in_use.condemned() {
                cell = None;
            }
            drop(ask.reply.send(answer));
        }
    };
    std::thread::Builder::new().name("inspect".to_owned()).stack_size(super::STACK).spawn(work).map(|_| asks)
}
