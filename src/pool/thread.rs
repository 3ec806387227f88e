//! A pool thread: its isolates, and its loop of take, run, answer, tidy up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use lru::LruCache;
use tokio::sync::oneshot;

use super::job::{Job, Work, errors};
use super::lane::{Lane, Shared};
use crate::decision::Cause;
use crate::isolate::{Cell, Evaluated, Fate, Input, Slot};
use crate::policy::{Dialect, Isolation, Revision};

/// How long an idle thread waits before it looks for something to tidy up.
const IDLE: Duration = Duration::from_millis(20);

/// Which of a thread's isolates a policy runs in. Policies of different rows never share a heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Heap {
    /// The locked-down realm of the host's module policies.
    Modules,
    /// Script policies, a realm a run.
    Scripts,
    /// Module policies that keep state, a realm a run.
    Fresh,
}

/// The job a thread is at, so that whoever writes the thread off can still answer for it.
#[derive(Default)]
struct InFlight(Mutex<Option<(Vec<Arc<Revision>>, oneshot::Sender<Vec<Evaluated>>)>>);

impl InFlight {
    fn put(&self, revisions: Vec<Arc<Revision>>, reply: oneshot::Sender<Vec<Evaluated>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((revisions, reply));
    }

    fn take(&self) -> Option<(Vec<Arc<Revision>>, oneshot::Sender<Vec<Evaluated>>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Starts one thread of a lane. It ends when the lane's queue closes, or after it was written off.
pub(super) fn start(lane: &Arc<Lane>) -> std::io::Result<()> {
    let lane = Arc::clone(lane);
    let name = format!("{}-isolate", lane.name);
    std::thread::Builder::new().name(name).stack_size(crate::isolate::STACK).spawn(move || Thread::new(lane).run()).map(drop)
}

struct Thread {
    lane: Arc<Lane>,
    slot: Arc<Slot>,
    cells: LruCache<Heap, Cell>,
    in_flight: Arc<InFlight>,
    written_off: Arc<AtomicBool>,
    prepared: u64,
    shelf_full: bool,
}

impl Thread {
    fn new(lane: Arc<Lane>) -> Self {
        let in_flight = Arc::new(InFlight::default());
        let written_off = Arc::new(AtomicBool::new(false));
        let listener = {
            let (lane, in_flight, written_off) = (Arc::clone(&lane), Arc::clone(&in_flight), Arc::clone(&written_off));
            move |fate| write_off(&lane, &in_flight, &written_off, fate)
        };
        Self {
            slot: Slot::register(listener),
            cells: LruCache::new(lane.shared.isolates_a_thread),
            in_flight,
            written_off,
            prepared: 0,
            shelf_full: false,
            lane,
        }
    }

    fn run(mut self) {
        self.prepare();
        self.lane.shared.ready_threads.fetch_add(1, Ordering::Release);
        while !self.written_off.load(Ordering::Acquire) {
            match self.lane.queue.recv_timeout(IDLE) {
                Ok(job) => self.answer(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.tidy();
        }
    }

    fn answer(&mut self, job: Job) {
        if Instant::now() >= job.input.deadline {
            self.lane.shared.metrics.shed.increment();
            job.fail(Cause::Overload, "its turn came after the deadline of the review");
            return;
        }
        let Job { work, input, reply } = job;
        self.in_flight.put(work.revisions().to_vec(), reply);
        let verdicts = self.judge(&input, &work);
        if let Some((_, reply)) = self.in_flight.take() {
            drop(reply.send(verdicts));
        }
    }

    fn judge(&mut self, input: &Input, work: &Work) -> Vec<Evaluated> {
        match work {
            Work::Validate(revisions) => self.in_batches(input, revisions, Cell::validate),
            Work::Mutate(revisions) => self.in_heap(Heap::Modules, |cell| cell.mutate(input, revisions)),
            Work::Fresh { revision, mutating } => self.in_heap(Heap::Fresh, |cell| cell.run_fresh(input, *mutating, revision)),
            Work::Script(revision) => self.in_heap(Heap::Scripts, |cell| vec![cell.run_script(input, revision)]),
        }
    }

    /// Where one policy had to be killed, the ones after it run in a new isolate with the time that is left.
    fn in_batches(
        &mut self,
        input: &Input,
        revisions: &[Arc<Revision>],
        run: impl Fn(&mut Cell, &Input, &[Arc<Revision>]) -> Vec<Evaluated>,
    ) -> Vec<Evaluated> {
        let mut verdicts = Vec::with_capacity(revisions.len());
        while let Some(rest) = revisions.get(verdicts.len()..).filter(|rest| !rest.is_empty()) {
            if Instant::now() >= input.deadline {
                verdicts.extend(errors(rest, Cause::Timeout, "no time was left when its turn came"));
                break;
            }
            let some = self.in_heap(Heap::Modules, |cell| run(cell, input, rest));
            if some.is_empty() {
                verdicts.extend(errors(rest, Cause::Internal, "no isolate could be made"));
                break;
            }
            verdicts.extend(some);
        }
        verdicts
    }

    fn in_heap<R>(&mut self, heap: Heap, run: impl FnOnce(&mut Cell) -> R) -> R {
        let Shared { host, limits, .. } = &*self.lane.shared;
        let slot = &self.slot;
        let new = || Cell::new(host.clone(), Arc::clone(slot), Arc::clone(limits));
        let result = run(self.cells.get_or_insert_mut(heap, new));
        if self.cells.peek(&heap).is_some_and(Cell::condemned) {
            self.cells.pop(&heap);
        }
        self.shelf_full = false;
        result
    }

    /// After the reply, and when idle: load what is new, restock the shelf, replace what is worn. Stops as soon as
    /// somebody waits.
    fn tidy(&mut self) {
        if self.prepared != self.lane.shared.catalog.load().generation {
            self.prepare();
        }
        if self.shelf_full && self.lane.queue.is_empty() {
            return;
        }
        let heaps: Vec<Heap> = self.cells.iter().map(|(heap, _)| *heap).collect();
        self.shelf_full = true;
        for heap in heaps {
            let Some(cell) = self.cells.peek_mut(&heap) else { continue };
            if cell.worn() && self.lane.queue.is_empty() {
                self.cells.pop(&heap);
                self.prepared = 0;
                continue;
            }
            while cell.tend(heap == Heap::Scripts) {
                if !self.lane.queue.is_empty() {
                    self.shelf_full = false;
                    break;
                }
            }
        }
    }

    /// Loads the policies that this lane serves, so that no request pays for it.
    fn prepare(&mut self) {
        let catalog = self.lane.shared.catalog.load_full();
        self.prepared = catalog.generation;
        let mine = |revision: &&Arc<Revision>| self.lane.serves(revision);
        let modules: Vec<_> = catalog
            .revisions
            .iter()
            .filter(mine)
            .filter(|revision| revision.code.dialect == Dialect::Module && revision.spec.isolation == Isolation::Shared)
            .cloned()
            .collect();
        let scripts = catalog.revisions.iter().filter(mine).any(|revision| revision.code.dialect == Dialect::Script);
        if !modules.is_empty() {
            self.in_heap(Heap::Modules, |cell| cell.prepare(&modules));
        }
        if scripts {
            self.in_heap(Heap::Scripts, |cell| while cell.tend(true) {});
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.lane.shared.ready_threads.fetch_sub(1, Ordering::Release);
    }
}

/// A thread that does not come back: its caller is answered, and another takes its place.
fn write_off(lane: &Arc<Lane>, in_flight: &InFlight, written_off: &AtomicBool, fate: Fate) {
    written_off.store(true, Ordering::Release);
    let (cause, why) = match fate {
        Fate::Lost => (Cause::Memory, "used more memory than a run may"),
        Fate::Wedged(_) => (Cause::Timeout, "does not stop: it holds its thread in a built-in function"),
    };
    if let Some((revisions, reply)) = in_flight.take() {
        let names: Vec<&str> = revisions.iter().map(|revision| &*revision.spec.name).collect();
        tracing::error!(?fate, policies = ?names, "a policy cost an isolate thread");
        drop(reply.send(errors(&revisions, cause, why)));
    }
    lane.shared.lost_threads.fetch_add(1, Ordering::AcqRel);
    if let Err(error) = start(lane) {
        tracing::error!(%error, "no thread to replace the one that was lost");
    }
}
