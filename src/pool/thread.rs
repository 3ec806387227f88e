//! A pool thread: its isolates, and its loop of take, run, answer, tidy up.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use lru::LruCache;

use super::census::Census;
use super::job::{Job, Work, errors, fail};
use super::lane::{Lane, Shared};
use super::standing::Standing;
use crate::decision::Cause;
use crate::isolate::{Cell, Evaluated, Fate, Input, KillCause, Slot, Spare};
use crate::policy::{Dialect, Isolation, Revision};

/// How long an idle thread waits before it looks for something to tidy up.
const IDLE: Duration = Duration::from_millis(20);

/// Jobs after which V8 gets to its put-off work although more jobs wait.
const TEND_EVERY: u32 = 256;

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

impl Heap {
    const fn spare(self) -> Spare {
        match self {
            Self::Modules => Spare::None,
            Self::Scripts => Spare::Script,
            Self::Fresh => Spare::Module,
        }
    }
}

/// Starts one thread of a lane. It ends when the lane's queue closes, or after it was written off.
pub(super) fn start(lane: &Arc<Lane>) -> std::io::Result<()> {
    let lane = Arc::clone(lane);
    let name = format!("{}-isolate", lane.name);
    std::thread::Builder::new()
        .name(name)
        .stack_size(crate::isolate::STACK)
        .spawn(move || Thread::new(lane).run())
        .map(drop)
}

struct Thread {
    lane: Arc<Lane>,
    slot: Arc<Slot>,
    cells: LruCache<Heap, Cell>,
    census: Census,
    /// Isolates to be disposed of once the reply is out.
    condemned: Vec<Cell>,
    standing: Arc<Standing>,
    /// The catalog that `pending` was made from.
    generation: Option<u64>,
    /// Policies still to be loaded ahead of their first review.
    pending: VecDeque<Arc<Revision>>,
    /// Since V8 last got to its put-off work.
    jobs: u32,
    is_tidy: bool,
}

impl Thread {
    fn new(lane: Arc<Lane>) -> Self {
        let standing = Arc::new(Standing::new(Arc::clone(&lane.shared)));
        let listener = {
            let (lane, standing) = (Arc::clone(&lane), Arc::clone(&standing));
            move |fate| write_off(&lane, &standing, fate)
        };
        Self {
            slot: Slot::register(listener),
            cells: LruCache::new(lane.shared.isolates_a_thread),
            census: Census::new(Arc::clone(&lane.shared.metrics)),
            condemned: Vec::new(),
            standing,
            generation: None,
            pending: VecDeque::new(),
            jobs: 0,
            is_tidy: false,
            lane,
        }
    }

    fn run(mut self) {
        self.shielded(Self::tidy);
        while !self.slot.is_abandoned() {
            // With something left to do it does not wait for jobs, but jobs go first.
            let patience = if self.is_tidy { IDLE } else { Duration::ZERO };
            match self.lane.queue.recv_timeout(patience) {
                Ok(job) => self.shielded(|this| this.answer(job)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.shielded(Self::tidy);
            self.shielded(|this| this.census.keep(this.cells.iter_mut().map(|(_, cell)| cell)));
        }
    }

    /// A fault of our own costs the job it happened in and the thread's isolates, never the thread.
    fn shielded(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_ok() {
            return;
        }
        tracing::error!("a fault of the engine: an isolate thread panicked and goes on with new isolates");
        self.slot.recover();
        if let Some((policies, reply)) = self.standing.take_job() {
            fail(&policies, reply, Cause::Internal, "the engine failed while it ran");
        }
        self.condemned.clear();
        self.cells.clear();
        self.is_tidy = false;
    }

    fn answer(&mut self, job: Job) {
        let Job { work, policies, input, reply } = job;
        if Instant::now() >= input.deadline {
            self.lane.shared.metrics.shed.increment();
            fail(&policies, reply, Cause::Overload, "its turn came after the deadline of the review");
            return;
        }
        self.standing.begin(Arc::clone(&policies), reply);
        let verdicts = self.judge(&input, work, &policies);
        if let Some((_, reply)) = self.standing.take_job() {
            drop(reply.send(verdicts));
        }
        self.condemned.clear();
        self.jobs += 1;
        self.is_tidy = false;
    }

    fn judge(&mut self, input: &Input, work: Work, policies: &[Arc<Revision>]) -> Vec<Evaluated> {
        match work {
            Work::Validate => self.in_batches(input, policies),
            Work::Mutate => self.in_heap(Heap::Modules, |cell| cell.mutate(input, policies)),
            Work::Fresh { mutating } => policies
                .iter()
                .flat_map(|revision| self.in_heap(Heap::Fresh, |cell| cell.run_fresh(input, mutating, revision)))
                .collect(),
            Work::Script => policies
                .iter()
                .map(|revision| self.in_heap(Heap::Scripts, |cell| cell.run_script(input, revision)))
                .collect(),
        }
    }

    /// Where one policy had to be killed, the ones after it run in a new isolate with the time that is left.
    fn in_batches(&mut self, input: &Input, policies: &[Arc<Revision>]) -> Vec<Evaluated> {
        let mut verdicts = Vec::with_capacity(policies.len());
        while let Some(rest) = policies.get(verdicts.len()..).filter(|rest| !rest.is_empty()) {
            let some = self.in_heap(Heap::Modules, |cell| cell.validate(input, rest));
            if some.is_empty() {
                verdicts.extend(errors(rest, Cause::Internal, "no isolate could be made"));
                break;
            }
            verdicts.extend(some);
            let rest = policies.get(verdicts.len()..).unwrap_or_default();
            // Who was written off has nobody left to answer.
            if self.slot.is_abandoned() || (!rest.is_empty() && Instant::now() >= input.deadline) {
                verdicts.extend(errors(rest, Cause::Timeout, "no time was left when its turn came"));
                break;
            }
        }
        verdicts
    }

    fn in_heap<R>(&mut self, heap: Heap, run: impl FnOnce(&mut Cell) -> R) -> R {
        let Shared { host, limits, .. } = &*self.lane.shared;
        let slot = &self.slot;
        let new = || Cell::new(host.clone(), Arc::clone(slot), Arc::clone(limits));
        let cell = self.cells.get_or_insert_mut(heap, new);
        let result = run(cell);
        if cell.condemned() {
            self.condemned.extend(self.cells.pop(&heap));
        }
        result
    }

    /// After the reply, and when idle: load what is new, restock shelves, replace what is worn. Does one thing at a time
    /// while somebody waits.
    fn tidy(&mut self) {
        self.notice_catalog();
        if let Some(revision) = self.pending.pop_front() {
            self.in_heap(Heap::Modules, |cell| cell.prepare(&revision));
            self.condemned.clear();
            return;
        }
        self.standing.become_ready();
        let somebody_waits = !self.lane.queue.is_empty();
        if self.is_tidy || (somebody_waits && self.jobs < TEND_EVERY && !self.cells.contains(&Heap::Scripts)) {
            return;
        }
        self.jobs = 0;
        self.is_tidy = true;
        for heap in [Heap::Modules, Heap::Scripts, Heap::Fresh] {
            let Some(cell) = self.cells.peek_mut(&heap) else { continue };
            if cell.worn() && !somebody_waits {
                self.cells.pop(&heap);
                self.generation = None;
                self.is_tidy = false;
            } else if cell.tend(heap.spare()) {
                self.is_tidy = false;
            }
            if self.cells.peek(&heap).is_some_and(Cell::condemned) {
                self.cells.pop(&heap);
            }
        }
    }

    /// Makes a list of what a new catalog brings, so that as few reviews as can be pay for it.
    fn notice_catalog(&mut self) {
        let catalog = self.lane.shared.catalog.load();
        if self.generation == Some(catalog.generation) {
            return;
        }
        self.generation = Some(catalog.generation);
        let mine = || catalog.revisions.iter().filter(|revision| self.lane.serves(revision));
        let is_shared = |revision: &&Arc<Revision>| revision.spec.isolation == Isolation::Shared;
        let is_module = |revision: &&Arc<Revision>| revision.code.dialect == Dialect::Module;
        let pending = mine().filter(is_module).filter(is_shared).cloned().collect();
        let has_scripts = mine().any(|revision| revision.code.dialect == Dialect::Script);
        let has_fresh = mine().filter(is_module).any(|revision| revision.spec.isolation != Isolation::Shared);
        self.pending = pending;
        self.is_tidy = false;
        for (heap, wanted) in [(Heap::Scripts, has_scripts), (Heap::Fresh, has_fresh)] {
            if wanted {
                self.in_heap(heap, |_| ());
            }
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let is_first = self.standing.leave();
        // Nothing is known to end here: a panic while the isolates of another were thrown away.
        if is_first && std::thread::panicking() && start(&self.lane).is_err() {
            tracing::error!("no thread to replace the one that panicked");
        }
    }
}

/// A thread that does not come back: its caller is answered, and another takes its place.
fn write_off(lane: &Arc<Lane>, standing: &Standing, fate: Fate) {
    const STUCK: &str = "does not stop: it holds its thread in a built-in function";
    let (cause, why) = match fate {
        Fate::Lost | Fate::Wedged(KillCause::Memory) => (Cause::Memory, "used more memory than a run may"),
        Fate::Wedged(KillCause::Cpu) => (Cause::Cpu, STUCK),
        Fate::Wedged(KillCause::Wall) => (Cause::Timeout, STUCK),
    };
    if let Some((policies, reply)) = standing.take_job() {
        let names: Vec<&str> = policies.iter().map(|revision| &*revision.spec.name).collect();
        tracing::error!(?fate, policies = ?names, "a policy cost an isolate thread");
        fail(&policies, reply, cause, why);
    }
    if !standing.leave() {
        return;
    }
    lane.shared.lost_threads.fetch_add(1, Ordering::AcqRel);
    if let Err(error) = start(lane) {
        tracing::error!(%error, "no thread to replace the one that was lost");
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::decision::Verdict;
    use crate::host::Objects;
    use crate::isolate::testing::{error, host, input, messages, validate};

    fn thread() -> Thread {
        let host = host(Objects::Nowhere);
        let shared = Shared::new(host, Arc::default(), Arc::default(), Arc::default(), NonZeroUsize::MIN, 1);
        let (_, queue) = crossbeam_channel::bounded(1);
        Thread::new(Arc::new(Lane { name: "quick", waits: false, queue, shared: Arc::new(shared) }))
    }

    fn answered(thread: &mut Thread, work: impl FnOnce(&mut Thread, Job)) -> Verdict {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        let policies = [validate("c.deny('no')").made()].into();
        let job = Job { work: Work::Validate, policies, input: input(), reply };
        thread.shielded(|thread| work(thread, job));
        answer.try_recv().unwrap().remove(0).verdict
    }

    #[test]
    fn a_panic_costs_its_job_and_nothing_else() {
        let mut thread = thread();
        assert_eq!(messages(&answered(&mut thread, Thread::answer)), ["no"]);
        let verdict = answered(&mut thread, |thread, job| {
            thread.standing.begin(Arc::clone(&job.policies), job.reply);
            thread.in_heap(Heap::Modules, |_| panic!("a fault of ours"));
        });
        assert_eq!(error(&verdict).0, Cause::Internal);
        assert_eq!(messages(&answered(&mut thread, Thread::answer)), ["no"]);
    }

    #[test]
    fn a_thread_is_counted_once_however_it_ends() {
        let thread = thread();
        let shared = Arc::clone(&thread.lane.shared);
        thread.standing.become_ready();
        thread.standing.become_ready();
        assert_eq!(shared.ready_threads(), 1);
        write_off(&thread.lane, &thread.standing, Fate::Wedged(crate::isolate::KillCause::Wall));
        write_off(&thread.lane, &thread.standing, Fate::Lost);
        thread.standing.become_ready();
        assert_eq!(shared.lost_threads.load(Ordering::Acquire), 1);
        drop(thread);
        assert!(shared.ready_threads() <= 1, "the replacement at most");
        let never_ready = self::thread();
        let shared = Arc::clone(&never_ready.lane.shared);
        drop(never_ready);
        assert_eq!(shared.ready_threads(), 0);
    }
}
