//! What the watchdog tells of a pool thread, and what is done about it: a slow run gives way, a thread that does not
//! come back is replaced and its caller answered.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use super::job::{Job, Reply, Task};
use super::lane::{Lane, Purpose};
use super::standing::Standing;
use super::thread::start;
use crate::decision::{Cause, Verdict};
use crate::isolate::{Fate, KillCause, Slot};
use crate::policy::Revision;

/// The slot of the calling thread, with this module listening.
pub(super) fn register(lane: &Arc<Lane>, standing: &Arc<Standing>) -> Arc<Slot> {
    let this: Arc<OnceLock<Weak<Slot>>> = Arc::default();
    let listener = {
        let (lane, standing, this) = (Arc::clone(lane), Arc::clone(standing), Arc::clone(&this));
        move |fate| {
            if let Some(slot) = this.get().and_then(Weak::upgrade) {
                hear(&lane, &standing, &slot, fate);
            }
        }
    };
    let slot = Slot::register(listener);
    drop(this.set(Arc::downgrade(&slot)));
    slot
}

fn hear(lane: &Arc<Lane>, standing: &Standing, slot: &Slot, fate: Fate) {
    match fate {
        Fate::Slow => give_way(lane, standing, slot),
        // It competes with everybody for the cores, in whatever lane. A policy that takes long to load does so once, but
        // it would do so again on every thread that took this one's place.
        Fate::Hog if !slot.is_loading() => slot.lower_priority(),
        Fate::Hog => {}
        Fate::Wedged(_) | Fate::Lost => write_off(lane, standing, slot.running(), fate),
    }
}

/// A run takes long: another may begin beside it, and the policy is remembered for it.
fn give_way(lane: &Lane, standing: &Standing, slot: &Slot) {
    let Some(task) = standing.task() else { return };
    if standing.release_permit() {
        lane.queue.overdue(standing.seat());
    }
    if lane.purpose == Purpose::Waiting || slot.is_loading() {
        return;
    }
    if let Some(revision) = running(&task, slot.running())
        && revision.conduct.dawdled(Instant::now())
        && lane.purpose == Purpose::Quick
    {
        tracing::warn!(policy = %revision.spec.name, "a policy computes for long: it runs apart for a while");
    }
}

/// A thread that does not come back: its caller is answered, and another takes its place. The others of the review run
/// again where that does no harm.
pub(super) fn write_off(lane: &Arc<Lane>, standing: &Standing, running_at: usize, fate: Fate) {
    const STUCK: &str = "does not stop: it holds its thread in a built-in function";
    let (cause, why) = match fate {
        Fate::Lost | Fate::Wedged(KillCause::Memory) => (Cause::Memory, "used more memory than a run may"),
        Fate::Wedged(KillCause::Cpu) => (Cause::Cpu, STUCK),
        _ => (Cause::Timeout, STUCK),
    };
    if fate == Fate::Lost {
        // Also of a thread that was given up before.
        lane.shared.parked_threads.fetch_add(1, Ordering::AcqRel);
    }
    if standing.release_permit() {
        lane.queue.overdue(standing.seat());
    }
    if let Some(Job { task, reply }) = standing.take_job() {
        let culprit = running(&task, running_at);
        let names: Vec<&str> = task.policies.iter().map(|revision| &*revision.spec.name).collect();
        tracing::error!(?fate, policy = culprit.map(|it| &*it.spec.name), policies = ?names, "a policy cost an isolate thread");
        if let Some(culprit) = culprit {
            // One that does not come back from being out of memory is mostly lost a moment later.
            if matches!(fate, Fate::Lost | Fate::Wedged(KillCause::Memory)) {
                culprit.conduct.run_out_of_memory();
            }
            if culprit.conduct.killed(Instant::now()) {
                warn_of(culprit);
            }
        }
        answer(lane, &task, reply, culprit, cause, why);
    }
    if !standing.leave() {
        return;
    }
    lane.shared.lost_threads.fetch_add(1, Ordering::AcqRel);
    if let Err(error) = start(lane) {
        tracing::error!(%error, "no thread to replace the one that was lost");
    }
}

fn answer(lane: &Lane, task: &Task, mut reply: Reply, culprit: Option<&Arc<Revision>>, cause: Cause, why: &str) {
    let Some(culprit) = culprit.filter(|_| task.policies.len() > 1 && task.is_repeatable()) else {
        return reply.send(task.errors(cause, why));
    };
    reply.known.push(Verdict::error(culprit.spec.name.clone(), cause, why).into());
    let again = Job { task: Arc::new(task.without(culprit)), reply };
    if let Err((_, job)) = lane.queue.push(again) {
        job.fail(Cause::Overload, "too many reviews wait for an isolate");
    }
}

/// The policy of the task whose run the slot tells of.
fn running(task: &Task, address: usize) -> Option<&Arc<Revision>> {
    task.policies.iter().find(|revision| Arc::as_ptr(revision).addr() == address)
}

/// Says that a policy is not asked for a while.
pub(crate) fn warn_of(revision: &Revision) {
    let pause = revision.conduct.shunned_for(Instant::now()).unwrap_or_default();
    tracing::warn!(
        policy = %revision.spec.name,
        ?pause,
        "every one of its last runs had to be ended: it is not asked for a while, and its failure mode decides"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::super::PoolSize;
    use super::super::heaps::Kind;
    use super::super::job::{Reply, Task, Work};
    use super::super::lane::Shared;
    use super::super::queue::FairQueue;
    use super::super::thread::Thread;
    use super::*;
    use crate::host::Objects;
    use crate::isolate::testing::{error, host, input, messages, validate};
    use crate::policy::Domain;

    fn thread() -> Thread {
        let size = PoolSize::for_cores(1);
        let shared = Shared::new(host(Objects::Nowhere), Arc::default(), Arc::default(), Arc::default(), size);
        let queue = Arc::new(FairQueue::new(size.capacity(Purpose::Quick)));
        Thread::new(Arc::new(Lane { purpose: Purpose::Quick, queue, apart: None, shared: Arc::new(shared) }))
    }

    fn answered(thread: &mut Thread, work: impl FnOnce(&mut Thread, Job)) -> Verdict {
        let (to, mut answer) = tokio::sync::oneshot::channel();
        let policies = [validate("c.deny('no')").made()].into();
        let task = Arc::new(Task { work: Work::Validate, policies, input: input() });
        let job = Job { task, reply: Reply { to, known: Vec::new() } };
        thread.shielded(|thread| work(thread, job));
        answer.try_recv().unwrap().remove(0).verdict
    }

    fn answer_now(thread: &mut Thread, job: Job) {
        thread.answer(job, Instant::now());
    }

    #[test]
    fn a_panic_costs_its_job_and_nothing_else() {
        let mut thread = thread();
        assert_eq!(messages(&answered(&mut thread, answer_now)), ["no"]);
        let verdict = answered(&mut thread, |thread, job| {
            thread.standing.begin(Arc::clone(&job.task), job.reply);
            thread.heaps.within(&(Domain::Host, Kind::Modules), |_| panic!("a fault of ours"));
        });
        assert_eq!(error(&verdict).0, Cause::Internal);
        assert_eq!(messages(&answered(&mut thread, answer_now)), ["no"]);
    }

    #[test]
    fn a_thread_is_counted_once_however_it_ends() {
        let thread = thread();
        let shared = Arc::clone(&thread.lane.shared);
        thread.standing.become_ready();
        thread.standing.become_ready();
        assert_eq!(shared.ready_threads(), 1);
        write_off(&thread.lane, &thread.standing, 0, Fate::Wedged(KillCause::Wall));
        write_off(&thread.lane, &thread.standing, 0, Fate::Lost);
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
