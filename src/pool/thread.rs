//! A pool thread: its loop of take, run, answer, tidy up.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::census::Census;
use super::fate;
use super::heaps::{Heaps, Key, Kind};
use super::job::{Job, Reply, Task, Work, errors};
use super::lane::{Lane, Purpose};
use super::queue::{Done, Taken};
use super::standing::Standing;
use crate::decision::{Cause, Effect};
use crate::isolate::{Evaluated, Input, Slot};
use crate::policy::{Catalog, Dialect, Domain, Isolation, Revision};

/// How long an idle thread waits before it looks for something to tidy up. A new catalog wakes it.
const IDLE: Duration = Duration::from_millis(100);

/// Jobs after which V8 gets to its put-off work although more jobs wait.
const TEND_EVERY: u32 = 256;

/// Starts one thread of a lane. It ends when the lane's queue closes, or after it was written off.
pub(super) fn start(lane: &Arc<Lane>) -> std::io::Result<()> {
    let lane = Arc::clone(lane);
    let name = format!("{}-isolate", lane.purpose.name());
    std::thread::Builder::new()
        .name(name)
        .stack_size(crate::isolate::STACK)
        .spawn(move || Thread::new(lane).run())
        .map(drop)
}

pub(super) struct Thread {
    pub(super) lane: Arc<Lane>,
    slot: Arc<Slot>,
    pub(super) heaps: Heaps,
    census: Census,
    pub(super) standing: Arc<Standing>,
    /// The catalog that `pending` was made from, unless isolates went since.
    noticed: Option<Arc<Catalog>>,
    /// An isolate was thrown away since, with what was loaded into it.
    has_lost: bool,
    /// Policies still to be loaded ahead of their first review.
    pending: VecDeque<Arc<Revision>>,
    /// Tenants have policies: their isolates come and go.
    has_tenants: bool,
    /// Since V8 last got to its put-off work.
    jobs: u32,
    is_tidy: bool,
}

impl Thread {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        let standing = Arc::new(Standing::new(lane.queue.seat(), Arc::clone(&lane.shared)));
        let slot = fate::register(&lane, &standing);
        Self {
            heaps: Heaps::new(Arc::clone(&lane.shared), Arc::clone(&slot)),
            slot,
            census: Census::new(Arc::clone(&lane.shared.metrics)),
            standing,
            noticed: None,
            has_lost: false,
            pending: VecDeque::new(),
            has_tenants: false,
            jobs: 0,
            is_tidy: false,
            lane,
        }
    }

    fn run(mut self) {
        self.shielded(|this| this.tidy(false));
        let mut done: Option<Done> = None;
        loop {
            // With something left to do it does not wait for jobs, but jobs go first.
            let patience = if self.is_tidy { IDLE } else { Duration::ZERO };
            if let Some(done) = &mut done {
                done.held_permit = self.standing.release_permit();
            }
            let somebody_waits = match self.lane.queue.take(self.standing.seat(), done.take(), patience) {
                Taken::Job(job, charged) => {
                    done = Some(self.serve(job, charged));
                    !self.lane.queue.is_empty()
                }
                Taken::Nothing => {
                    // Others may have made isolates meanwhile: those at rest here make room for them.
                    self.shielded(|this| this.heaps.fit());
                    // What may still be in line is for other threads: to look for it again and again would take the
                    // cores from these.
                    false
                }
                Taken::Closed => return,
            };
            if self.slot.is_abandoned() {
                // Whoever wrote it off has given its permit back, and started another.
                return;
            }
            if self.slot.has_low_priority() {
                return self.make_way(done);
            }
            self.shielded(|this| this.tidy(somebody_waits));
            self.shielded(|this| this.census.keep(this.heaps.cells()));
        }
    }

    /// A thread that was put behind all others cannot get back: another takes its place.
    fn make_way(self, done: Option<Done>) {
        if let Some(done) = done {
            self.lane.queue.done(&Done { held_permit: self.standing.release_permit(), ..done });
        }
        if self.standing.leave()
            && let Err(error) = start(&self.lane)
        {
            tracing::error!(%error, "no thread to replace the one that makes way");
        }
    }

    fn serve(&mut self, job: Job, charged: u64) -> Done {
        let begun = Instant::now();
        self.standing.take_permit();
        let domain = job.domain().clone();
        self.shielded(|this| this.answer(job, begun));
        self.is_tidy = false;
        Done { domain, took: begun.elapsed(), charged, held_permit: false }
    }

    /// A fault of our own costs the job it happened in and the thread's isolates, never the thread.
    pub(super) fn shielded(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_ok() {
            return;
        }
        tracing::error!("a fault of the engine: an isolate thread panicked and goes on with new isolates");
        self.slot.recover();
        if let Some(job) = self.standing.take_job() {
            job.fail(Cause::Internal, "the engine failed while it ran");
        }
        self.heaps.clear();
        (self.is_tidy, self.has_lost) = (false, true);
    }

    pub(super) fn answer(&mut self, job: Job, now: Instant) {
        let Job { task, reply } = job;
        if now >= task.input.deadline {
            self.lane.shared.metrics.shed.increment();
            Job { task, reply }.fail(Cause::Overload, "its turn came after the deadline of the review");
            return;
        }
        if let Some(apart) = self.lane.apart.as_ref().filter(|_| is_slow(&task, now)) {
            if let Err((_, job)) = apart.push(Job { task, reply }) {
                self.lane.shared.metrics.shed.increment();
                job.fail(Cause::Overload, "too many reviews wait for slow policies");
            }
            return;
        }
        self.standing.begin(Arc::clone(&task), reply);
        let verdicts = self.judge(&task);
        // What a killed run did is no news of those who were written off with it.
        if !self.slot.is_abandoned() {
            take_note(&task, &verdicts);
        }
        if let Some(Job { reply, .. }) = self.standing.take_job() {
            Reply::send(reply, verdicts);
        }
        self.has_lost |= self.heaps.dispose();
        self.jobs += 1;
    }

    fn judge(&mut self, task: &Task) -> Vec<Evaluated> {
        let Task { work, policies, input } = task;
        match *work {
            Work::Validate => self.in_batches(input, policies),
            Work::Mutate => self.within(policies, Kind::Modules, |cell| cell.mutate(input, policies)),
            Work::Fresh { mutating } => policies
                .iter()
                .flat_map(|revision| {
                    self.within(policies, Kind::Fresh, |cell| cell.run_fresh(input, mutating, revision))
                })
                .collect(),
            Work::Script => policies
                .iter()
                .map(|revision| self.within(policies, Kind::Scripts, |cell| cell.run_script(input, revision)))
                .collect(),
        }
    }

    fn within<R>(
        &mut self,
        policies: &[Arc<Revision>],
        kind: Kind,
        run: impl FnOnce(&mut crate::isolate::Cell) -> R,
    ) -> R {
        let domain = policies.first().map(|first| first.domain.clone()).unwrap_or_default();
        self.heaps.within(&(domain, kind), run)
    }

    /// Where one policy had to be killed, the ones after it run in a new isolate with the time that is left.
    fn in_batches(&mut self, input: &Input, policies: &[Arc<Revision>]) -> Vec<Evaluated> {
        let mut verdicts = Vec::with_capacity(policies.len());
        while let Some(rest) = policies.get(verdicts.len()..).filter(|rest| !rest.is_empty()) {
            let some = self.within(rest, Kind::Modules, |cell| cell.validate(input, rest));
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

    /// After the reply, and when idle: load what is new, restock shelves, replace what is worn. Does one thing at a time
    /// while somebody waits.
    fn tidy(&mut self, somebody_waits: bool) {
        self.notice_catalog();
        if let Some(revision) = self.pending.pop_front() {
            self.heaps.within(&(revision.domain.clone(), Kind::Modules), |cell| cell.prepare(&revision));
            self.has_lost |= self.heaps.dispose();
            return;
        }
        self.standing.become_ready();
        if self.is_tidy || (somebody_waits && self.jobs < TEND_EVERY && !self.heaps.has_scripts()) {
            return;
        }
        self.jobs = 0;
        let (is_more, is_gone) = self.heaps.tend(somebody_waits);
        self.is_tidy = !is_more;
        if is_gone {
            self.noticed = None;
        }
        if self.is_tidy && !somebody_waits {
            self.heaps.fit();
            if self.has_tenants {
                self.heaps.make_blank();
            }
        }
    }

    /// Makes a list of what a new catalog brings, so that as few reviews as can be pay for it. The isolates of tenants
    /// are made when they are asked for: there may be thousands.
    fn notice_catalog(&mut self) {
        let catalog = self.lane.shared.catalog.load();
        if self.noticed.as_ref().is_some_and(|noticed| noticed.generation == catalog.generation) {
            return;
        }
        let has_lost = std::mem::take(&mut self.has_lost);
        let before = self.noticed.replace(Arc::clone(&catalog)).filter(|_| !has_lost);
        let purpose = self.lane.purpose;
        self.has_tenants = catalog.revisions.iter().any(|revision| revision.domain != Domain::Host);
        let mine = || {
            let served = catalog.revisions.iter().filter(|revision| purpose.serves(revision));
            served.filter(|revision| revision.domain == Domain::Host && revision.spec.isolation != Isolation::Process)
        };
        let is_module = |revision: &&Arc<Revision>| revision.code.dialect == Dialect::Module;
        // Of a thousand policies one changes at a time.
        let is_in = |catalog: &Catalog, revision: &Arc<Revision>| {
            catalog.get(&revision.spec.name).is_some_and(|found| Arc::ptr_eq(found, revision))
        };
        match &before {
            Some(before) => {
                self.pending.retain(|revision| is_in(&catalog, revision));
                let new = mine().filter(|revision| super::shares_realm(revision) && !is_in(before, revision));
                self.pending.extend(new.cloned());
            }
            None => self.pending = mine().filter(|revision| super::shares_realm(revision)).cloned().collect(),
        }
        let has_scripts = mine().any(|revision| !is_module(&revision) && !super::shares_realm(revision));
        let has_fresh = mine().filter(is_module).any(|revision| !super::shares_realm(revision));
        self.is_tidy = false;
        for (kind, wanted) in [(Kind::Scripts, has_scripts), (Kind::Fresh, has_fresh)] {
            if wanted && purpose != Purpose::Apart {
                let key: Key = (Domain::Host, kind);
                self.heaps.within(&key, |_| ());
            }
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let is_first = self.standing.leave();
        self.lane.queue.leave(self.standing.seat());
        // Nothing is known to end here: a panic while the isolates of another were thrown away.
        if is_first && std::thread::panicking() && start(&self.lane).is_err() {
            tracing::error!("no thread to replace the one that panicked");
        }
    }
}

fn is_slow(task: &Task, now: Instant) -> bool {
    task.policies.iter().any(|revision| revision.conduct.is_apart(now))
}

/// Keeps the record of each policy that ran.
fn take_note(task: &Task, verdicts: &[Evaluated]) {
    for (revision, one) in task.policies.iter().zip(verdicts).filter(|(_, one)| !one.time.is_zero()) {
        let was_killed = matches!(
            &one.verdict.effect,
            Effect::Error(error) if matches!(error.cause, Cause::Timeout | Cause::Cpu | Cause::Memory)
        );
        if !was_killed {
            revision.conduct.ended();
        } else if revision.conduct.killed(Instant::now()) {
            fate::warn_of(revision);
        }
    }
}
