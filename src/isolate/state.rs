//! What the host functions of an isolate find when a policy calls them: who is calling, what it may still use up,
//! and the promises that wait for the outside world.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use deno_core::v8;
use lru::LruCache;

use super::input::Input;
use super::rejections::Rejections;
use crate::host::{Host, HostError};
use crate::ledger::Reserving;
use crate::policy::PolicySpec;
use crate::telemetry::{Console, ConsoleLevel, ConsoleLimits};

/// Host calls one run may make, reads included: far above what a policy needs, far below what would hold a thread.
pub(crate) const MAX_HOST_CALLS: u32 = 1_000;
/// Bytes that may cross to a policy through host calls in one run.
pub(crate) const MAX_HOST_BYTES: usize = 64 << 20;
/// Promises of one run that may wait for the host at once.
pub(crate) const MAX_WAITING: usize = 64;
/// Calls that may be under way for one isolate, those of runs that did not wait for them included.
pub(crate) const MAX_UNDER_WAY: usize = 256;

/// Lines that one run of a worker process may print: its supervisor shows a few of them a second.
pub(crate) const MAX_LINES: u32 = 1_000;

/// Lines that one run may have kept back: far more than are printed a second.
const MAX_HELD: usize = 256;

/// Policies of one isolate whose printing is counted apart.
const MAX_CONSOLES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// An answer of the host to a call that returned a promise.
pub(super) type HostAnswer = (u32, Result<Option<String>, HostError>);

/// A policy's declaration, counted by the thread alone: its own count is fought for by all threads.
#[allow(clippy::redundant_allocation, reason = "two counts are what it is for")]
pub(super) type OwnSpec = Rc<Arc<PolicySpec>>;

/// The run under way.
pub(super) struct Running {
    pub spec: OwnSpec,
    pub dry_run: bool,
    pub reserving: Option<Arc<Reserving>>,
    pub deadline: Instant,
    pub calls: u32,
    pub bytes: usize,
}

/// One per isolate, kept in one of its slots.
pub(super) struct State {
    pub host: Host,
    pub running: RefCell<Option<Running>>,
    /// A script called `exit`: the termination on its way is not a kill.
    pub exited: Cell<bool>,
    /// A closed script gave up: it needs a realm of its own.
    pub gave_up: Cell<bool>,
    /// What a closed script prints, until it is known whether it is run again.
    held: RefCell<Option<Vec<String>>>,
    /// The policy recorded something: without it, an allow needs no look at the record.
    pub said: Cell<bool>,
    pub rejections: RefCell<Rejections>,
    pub waiting: RefCell<HashMap<u32, v8::Global<v8::PromiseResolver>>>,
    /// Of the run under way, so that what comes after its end finds nobody. Made when a run first asks.
    answers: RefCell<Option<(Sender<HostAnswer>, Receiver<HostAnswer>)>>,
    /// As many as there are calls under way, and one more.
    under_way: Arc<()>,
    next_promise: Cell<u32>,
    consoles: RefCell<LruCache<Arc<str>, Console>>,
}

impl State {
    pub(super) fn new(host: Host) -> Rc<Self> {
        Rc::new(Self {
            host,
            running: RefCell::new(None),
            exited: Cell::new(false),
            gave_up: Cell::new(false),
            held: RefCell::new(None),
            said: Cell::new(false),
            rejections: RefCell::new(Rejections::default()),
            waiting: RefCell::new(HashMap::new()),
            answers: RefCell::new(None),
            under_way: Arc::new(()),
            next_promise: Cell::new(0),
            consoles: RefCell::new(LruCache::new(MAX_CONSOLES)),
        })
    }

    pub(super) fn of(isolate: &v8::Isolate) -> Option<Rc<Self>> {
        isolate.get_slot::<Rc<Self>>().map(Rc::clone)
    }

    pub(super) fn begin(&self, spec: OwnSpec, input: &Input, deadline: Instant) {
        let (dry_run, reserving) = (input.dry_run, input.reserving.clone());
        *self.running.borrow_mut() = Some(Running { spec, dry_run, reserving, deadline, calls: 0, bytes: 0 });
        self.exited.set(false);
        self.gave_up.set(false);
        self.said.set(false);
    }

    /// Keeps back what the run under way prints, until [`Self::print_held`] or its end.
    pub(super) fn hold(&self) {
        *self.held.borrow_mut() = Some(Vec::new());
    }

    /// Prints a line, or keeps it back; `false` where no more can be kept.
    pub(super) fn print(&self, line: String) -> bool {
        if let Some(held) = self.held.borrow_mut().as_mut() {
            let has_room = held.len() < MAX_HELD;
            if has_room {
                held.push(line);
            }
            return has_room;
        }
        if let Some(run) = self.running.borrow().as_ref()
            && !self.host.print(&line)
        {
            self.console(&run.spec.name).print(ConsoleLevel::Info, &line);
        }
        true
    }

    /// Prints what was kept back.
    pub(super) fn print_held(&self) {
        for line in self.held.take().unwrap_or_default() {
            self.print(line);
        }
    }

    /// Forgets everything about the run; its answers still under way will find nobody.
    pub(super) fn end(&self) {
        *self.running.borrow_mut() = None;
        self.held.take();
        if !self.rejections.borrow().is_empty() {
            self.rejections.take();
        }
        if self.answers.borrow().is_some() {
            self.answers.take();
            self.waiting.borrow_mut().clear();
        }
    }

    /// Where the host answers the run under way.
    pub(super) fn answer_to(&self) -> Sender<HostAnswer> {
        let mut answers = self.answers.borrow_mut();
        answers.get_or_insert_with(|| crossbeam_channel::bounded(MAX_WAITING)).0.clone()
    }

    /// Where the answers for the run under way come in, if it ever asked.
    pub(super) fn answers(&self) -> Option<Receiver<HostAnswer>> {
        self.answers.borrow().as_ref().map(|(_, answers)| answers.clone())
    }

    /// Counts one more call under way for as long as it is kept; `None` where there are too many.
    pub(super) fn admit(&self) -> Option<Arc<()>> {
        (Arc::strong_count(&self.under_way) <= MAX_UNDER_WAY).then(|| Arc::clone(&self.under_way))
    }

    /// Where a policy's `print` and `console.log` go, capped.
    pub(super) fn console(&self, policy: &Arc<str>) -> RefMut<'_, Console> {
        RefMut::map(self.consoles.borrow_mut(), |consoles| {
            let new = || Console::new(Arc::clone(policy), ConsoleLimits::default());
            consoles.get_or_insert_mut(Arc::clone(policy), new)
        })
    }

    pub(super) fn next_promise(&self) -> u32 {
        let id = self.next_promise.get();
        self.next_promise.set(id.wrapping_add(1));
        id
    }
}
