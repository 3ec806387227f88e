//! One thread that runs everything in the order it is asked: for test cases, where no two things happen at once, and a
//! debugger or a profiler sees all of it.
//!
//! The realms are those of the threads of the pool: one for all that shares, a new one for what does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, never, select};
use tokio::sync::oneshot;

use super::job::errors;
use super::plan::shares_realm;
use crate::decision::Cause;
use crate::host::Host;
use crate::isolate::{Cell, Evaluated, Input, Limits, Slot, Tools};
use crate::policy::{Dialect, Revision};

/// Asks that wait: whoever asks waits for the answer, so there is one, and those that were given up.
const QUEUE: usize = 64;

/// How long a debugger that sends nothing is not listened to.
const TICK: Duration = Duration::from_millis(100);

enum Ask {
    Run { input: Input, mutating: bool, revisions: Vec<Arc<Revision>>, reply: oneshot::Sender<Vec<Evaluated>> },
    Load { revisions: Vec<Arc<Revision>>, reply: oneshot::Sender<()> },
    Coverage { reply: oneshot::Sender<Vec<String>> },
}

/// The thread, and how to have another when it is lost.
pub(super) struct Alone {
    asks: Mutex<Sender<Ask>>,
    is_lost: Arc<AtomicBool>,
    make: Make,
}

#[derive(Clone)]
struct Make {
    host: Host,
    limits: Arc<Limits>,
    tools: Tools,
}

impl Alone {
    pub(super) fn start(host: Host, limits: Arc<Limits>, tools: Tools) -> std::io::Result<Self> {
        let make = Make { host, limits, tools };
        let is_lost = Arc::new(AtomicBool::new(false));
        let asks = Mutex::new(make.spawn(&is_lost)?);
        Ok(Self { asks, is_lost, make })
    }

    pub(super) async fn run(&self, input: &Input, mutating: bool, revisions: &[Arc<Revision>]) -> Vec<Evaluated> {
        let (reply, answer) = oneshot::channel();
        self.send(Ask::Run { input: input.clone(), mutating, revisions: revisions.to_vec(), reply });
        match tokio::time::timeout_at(input.deadline.into(), answer).await {
            Ok(Ok(verdicts)) => verdicts,
            Ok(Err(_)) => errors(revisions, Cause::Internal, "its isolate thread ended without an answer"),
            Err(_) => errors(revisions, Cause::Timeout, "gave no verdict before the deadline of the review"),
        }
    }

    pub(super) async fn load(&self, revisions: &[Arc<Revision>], deadline: Instant) {
        let (reply, answer) = oneshot::channel();
        self.send(Ask::Load { revisions: revisions.to_vec(), reply });
        drop(tokio::time::timeout_at(deadline.into(), answer).await);
    }

    pub(super) async fn coverage(&self, deadline: Instant) -> Vec<String> {
        let (reply, answer) = oneshot::channel();
        self.send(Ask::Coverage { reply });
        tokio::time::timeout_at(deadline.into(), answer).await.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// An ask that cannot be sent is dropped, and who waits for its answer is told by that.
    fn send(&self, ask: Ask) {
        let mut asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_lost.swap(false, Ordering::AcqRel)
            && let Ok(fresh) = self.make.spawn(&self.is_lost)
        {
            *asks = fresh;
        }
        match asks.try_send(ask) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

impl Make {
    fn spawn(&self, is_lost: &Arc<AtomicBool>) -> std::io::Result<Sender<Ask>> {
        let (asks, asked) = bounded(QUEUE);
        let (make, is_lost) = (self.clone(), Arc::clone(is_lost));
        let work = move || {
            let slot = Slot::register(move |fate| {
                is_lost.fetch_or(fate.is_final(), Ordering::AcqRel);
            });
            Bench { make, slot, shared: None, apart: None, covered: Vec::new() }.work(&asked);
        };
        let thread = std::thread::Builder::new().name("cases-isolate".to_owned());
        thread.stack_size(crate::isolate::STACK).spawn(work).map(|_| asks)
    }
}

/// The isolates of the thread.
struct Bench {
    make: Make,
    slot: Arc<Slot>,
    /// What shares a realm.
    shared: Option<Cell>,
    /// What has one to itself.
    apart: Option<Cell>,
    /// What isolates that are gone had covered.
    covered: Vec<String>,
}

impl Bench {
    fn work(mut self, asked: &Receiver<Ask>) {
        loop {
            // A debugger may ask while nothing runs.
            let messages = match &self.make.tools {
                Tools::Debugger(port) => port.messages().clone(),
                Tools::None | Tools::Coverage => never(),
            };
            select! {
                recv(asked) -> ask => match ask {
                    Ok(ask) => self.answer(ask),
                    Err(_) => return,
                },
                recv(messages) -> message => match message {
                    Ok(message) => self.cell(true).debug(message),
                    Err(_) => std::thread::sleep(TICK),
                },
            }
        }
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Run { input, mutating, revisions, reply } => drop(reply.send(self.run(&input, mutating, &revisions))),
            Ask::Load { revisions, reply } => {
                for revision in revisions.iter().filter(|revision| revision.code.dialect == Dialect::Module) {
                    let cell = self.cell(true);
                    cell.know(&revision.code);
                    cell.prepare(revision);
                }
                let _ = reply.send(());
            }
            Ask::Coverage { reply } => {
                let cells = [&mut self.shared, &mut self.apart];
                let covered = cells.into_iter().flatten().filter_map(Cell::coverage);
                let covered: Vec<String> = covered.chain(self.covered.drain(..)).collect();
                drop(reply.send(covered));
            }
        }
    }

    /// The isolate for what shares a realm or for what does not. A debugger gets to see one isolate.
    fn cell(&mut self, shares: bool) -> &mut Cell {
        let is_shared = shares || matches!(self.make.tools, Tools::Debugger(_));
        let place = if is_shared { &mut self.shared } else { &mut self.apart };
        if place.as_ref().is_some_and(Cell::condemned)
            && let Some(mut gone) = place.take()
        {
            self.covered.extend(gone.coverage());
        }
        let (make, slot) = (&self.make, &self.slot);
        place.get_or_insert_with(|| {
            let mut cell = Cell::new(make.host.clone(), Arc::clone(slot), Arc::clone(&make.limits));
            cell.equip(&make.tools);
            cell
        })
    }

    /// One policy after another. Of those that mutate only the first: the next has to see what it leaves.
    fn run(&mut self, input: &Input, mutating: bool, revisions: &[Arc<Revision>]) -> Vec<Evaluated> {
        let most = if mutating { 1 } else { revisions.len() };
        revisions.iter().take(most).map(|revision| self.run_one(input, mutating, revision)).collect()
    }

    fn run_one(&mut self, input: &Input, mutating: bool, revision: &Arc<Revision>) -> Evaluated {
        let shares = shares_realm(revision);
        let cell = self.cell(shares);
        cell.know(&revision.code);
        let verdicts = match revision.code.dialect {
            Dialect::Module if !shares => cell.run_fresh(input, mutating, revision),
            Dialect::Script if !shares => vec![cell.run_script(input, revision)],
            _ if mutating => cell.mutate(input, std::slice::from_ref(revision)),
            _ => cell.validate(input, std::slice::from_ref(revision)),
        };
        match verdicts.into_iter().next() {
            Some(open) if open.is_open => {
                let cell = self.cell(false);
                cell.know(&revision.code);
                cell.run_script(input, revision)
            }
            Some(evaluated) => evaluated,
            None => errors(std::slice::from_ref(revision), Cause::Internal, "its isolate broke off")
                .pop()
                .unwrap_or_else(|| crate::decision::Verdict::allow(revision.spec.name.clone()).into()),
        }
    }
}
