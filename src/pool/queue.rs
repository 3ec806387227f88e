//! The jobs that wait for a thread of a lane, and whose turn it is.
//!
//! Each domain has a queue of its own, and the domain that was served least goes first, by the time its jobs took and
//! its weight (start-time fair queueing): a storm of one tenant makes its own reviews wait, and nobody else's. A domain
//! gathers no credit while it asks for nothing.
//!
//! A tenant's jobs go to the threads that have its isolate already: to make one more takes longer than to wait. A thread
//! without it helps out where the tenant asks for more than its own threads can do.
//!
//! Only as many threads run at once as there are permits: the cores. A run that takes long gives its permit back while
//! it goes on ([`FairQueue::overdue`]), so that a waiting thread can serve the others.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::account::{Account, HELP_AFTER};
use super::job::Job;
use crate::policy::Domain;

/// Domains that are remembered although they ask for nothing, before those are dropped that owe nothing.
const REMEMBERED: usize = 1_024;

/// Looks at the queue before a thread goes to sleep: the next review is often microseconds away.
const SPINS: u32 = 20;

/// With so many jobs in line, of whomever, a thread that finds none for itself makes a tenant its own, and no sooner
/// than this after the last one moved: tenants that came one after another all woke the same thread.
const MOVE_AT: usize = 8;
const MOVE_AFTER: Duration = Duration::from_millis(20);

/// Domains that a thread looks at for one whose isolate it has.
const LOOKED_AT: usize = 32;

/// Why a job was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Too many jobs wait.
    Full,
    /// Its turn would come after its deadline.
    TooLate,
}

/// What a thread gets.
pub(super) enum Taken {
    /// With the nanoseconds that its domain was charged for it in advance.
    Job(Job, u64),
    Nothing,
    Closed,
}

/// A job that ended: whose it was, how long it took, and whether it still held its permit.
pub(super) struct Done {
    pub domain: Domain,
    pub took: Duration,
    pub charged: u64,
    pub held_permit: bool,
}

/// Which thread it is: one bit. Where there are more threads than bits, two may have the same; it is for speed alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat(pub u64);

/// How many jobs wait at most, and how many run at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capacity {
    pub jobs: usize,
    pub jobs_a_domain: usize,
    pub permits: usize,
}

pub(super) struct FairQueue {
    state: Mutex<State>,
    capacity: Capacity,
    /// Jobs that wait, for threads that look without the lock.
    waiting: AtomicUsize,
    seats: AtomicU32,
}

#[derive(Default)]
struct State {
    accounts: HashMap<Domain, Account>,
    /// The domains with jobs, by what they have had.
    turns: BTreeSet<(u64, Domain)>,
    /// What the domain that was served last had had.
    clock: u64,
    waiting: usize,
    running: usize,
    /// Threads that sleep, the one that fell asleep last at the end: its caches are the warmest.
    sleepers: Vec<(Seat, Thread)>,
    /// One of them sleeps for no longer than [`HELP_AFTER`].
    has_lookout: bool,
    /// The threads whose run takes long, and those that are gone: nobody waits for them.
    away: u64,
    /// When a tenant last moved to another thread.
    moved: Option<Instant>,
    is_closed: bool,
}

impl FairQueue {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self { state: Mutex::default(), capacity, waiting: AtomicUsize::new(0), seats: AtomicU32::new(0) }
    }

    /// A place for one more thread.
    pub(super) fn seat(&self) -> Seat {
        Seat(1 << (self.seats.fetch_add(1, Ordering::Relaxed) % u64::BITS))
    }

    /// Puts a job in line and wakes a thread for it.
    pub(super) fn push(&self, job: Job) -> Result<(), (Refusal, Job)> {
        let mut state = self.state();
        if state.is_closed || state.waiting >= self.capacity.jobs {
            return Err((Refusal::Full, job));
        }
        let domain = job.domain();
        let clock = state.clock;
        let others = u64::try_from(state.turns.len()).unwrap_or(u64::MAX).max(1);
        if !state.accounts.contains_key(domain) {
            state.forget_idle();
            state.accounts.insert(domain.clone(), Account::new(domain, clock));
        }
        let Some(account) = state.accounts.get_mut(domain) else { return Err((Refusal::Full, job)) };
        if account.jobs.len() >= self.capacity.jobs_a_domain {
            return Err((Refusal::Full, job));
        }
        if !account.jobs.is_empty() {
            let ahead = u64::try_from(account.jobs.len()).unwrap_or(u64::MAX);
            let permits = u64::try_from(self.capacity.permits).unwrap_or(1).max(1);
            let wait = Duration::from_nanos(ahead.saturating_mul(account.usual).saturating_mul(others) / permits);
            if Instant::now() + wait >= job.task.input.deadline {
                return Err((Refusal::TooLate, job));
            }
        }
        let is_first = account.jobs.is_empty();
        if is_first {
            account.had = account.had.max(clock);
            account.waits_since = (account.homes != 0).then(Instant::now);
        }
        let turn = is_first.then(|| (account.had, domain.clone()));
        account.jobs.push_back(job);
        let homes = if account.needs_help() { 0 } else { account.homes };
        state.turns.extend(turn);
        state.waiting += 1;
        let homes = if state.may_move() { 0 } else { homes & !state.away };
        self.waiting.store(state.waiting, Ordering::Relaxed);
        let sleeper = self.sleeper(&mut state, homes);
        drop(state);
        if let Some(sleeper) = sleeper {
            sleeper.unpark();
        }
        Ok(())
    }

    /// The next job in turn, waiting for one no longer than `patience`. `done` is the one that this thread has ended.
    pub(super) fn take(&self, seat: Seat, done: Option<Done>, patience: Duration) -> Taken {
        if let Some(taken) = self.try_take(seat, done) {
            return taken;
        }
        if patience.is_zero() {
            return Taken::Nothing;
        }
        for _ in 0..SPINS {
            if self.waiting.load(Ordering::Relaxed) > 0
                && let Some(taken) = self.try_take(seat, None)
            {
                return taken;
            }
            std::thread::yield_now();
        }
        let mut patience = patience;
        let mut is_lookout = false;
        {
            let mut state = self.state();
            if let Some(taken) = self.next(&mut state, seat) {
                return taken;
            }
            // What waits is for other threads, unless they do not come to it.
            if state.waiting > 0 && state.running < self.capacity.permits && !state.has_lookout {
                (state.has_lookout, is_lookout) = (true, true);
                patience = patience.min(HELP_AFTER);
            }
            state.sleepers.push((seat, std::thread::current()));
        }
        std::thread::park_timeout(patience);
        let mut state = self.state();
        let me = std::thread::current().id();
        // Whoever woke it has taken it from the list; nobody has where its patience ended.
        state.sleepers.retain(|(_, sleeper)| sleeper.id() != me);
        state.has_lookout &= !is_lookout;
        self.next(&mut state, seat).unwrap_or(Taken::Nothing)
    }

    fn try_take(&self, seat: Seat, done: Option<Done>) -> Option<Taken> {
        let mut state = self.state();
        state.away &= !seat.0;
        if let Some(done) = done {
            state.settle(&done);
        }
        let taken = self.next(&mut state, seat);
        // The permit it gave back may be what a sleeping thread could not get when its job came.
        let sleeper = if taken.is_none() { self.suited(&mut state) } else { None };
        drop(state);
        if let Some(sleeper) = sleeper {
            sleeper.unpark();
        }
        taken
    }

    fn next(&self, state: &mut State, seat: Seat) -> Option<Taken> {
        if state.is_closed && state.waiting == 0 {
            return Some(Taken::Closed);
        }
        if state.running >= self.capacity.permits {
            return None;
        }
        let (job, charged) = state.pop(seat)?;
        self.waiting.store(state.waiting, Ordering::Relaxed);
        state.running += 1;
        Some(Taken::Job(job, charged))
    }

    /// The thread ends, or rests, with this job behind it.
    pub(super) fn done(&self, done: &Done) {
        let mut state = self.state();
        state.settle(done);
        let sleeper = self.suited(&mut state).or_else(|| self.sleeper(&mut state, 0));
        drop(state);
        if let Some(sleeper) = sleeper {
            sleeper.unpark();
        }
    }

    /// A job takes long, or its thread is given up: another may run beside it.
    pub(super) fn overdue(&self, seat: Seat) {
        let mut state = self.state();
        state.away |= seat.0;
        state.running = state.running.saturating_sub(1);
        let sleeper = self.suited(&mut state).or_else(|| self.sleeper(&mut state, 0));
        drop(state);
        if let Some(sleeper) = sleeper {
            sleeper.unpark();
        }
    }

    /// A thread ends.
    pub(super) fn leave(&self, seat: Seat) {
        self.state().away |= seat.0;
    }

    /// Nothing more is taken in; what waits is still served.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.wake_all();
    }

    /// Lets every sleeping thread look around.
    pub(super) fn wake_all(&self) {
        let sleepers = std::mem::take(&mut self.state().sleepers);
        for (_, sleeper) in sleepers {
            sleeper.unpark();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// A thread to wake, where one sleeps and could run something: one of those that the new job has its isolate with,
    /// and any other where nobody else would see that they do not come to it.
    fn sleeper(&self, state: &mut State, homes: u64) -> Option<Thread> {
        if state.waiting == 0 || state.running >= self.capacity.permits {
            return None;
        }
        if homes != 0 {
            if let Some(at) = state.sleepers.iter().rposition(|(seat, _)| seat.0 & homes != 0) {
                return Some(state.sleepers.remove(at).1);
            }
            if state.has_lookout {
                return None;
            }
        }
        state.sleepers.pop().map(|(_, thread)| thread)
    }

    /// A sleeping thread that a job waits for which may run.
    fn suited(&self, state: &mut State) -> Option<Thread> {
        if state.waiting == 0 || state.running >= self.capacity.permits {
            return None;
        }
        let waits_for = |seat| state.turn_for(seat).is_some();
        let at = state.sleepers.iter().rposition(|(seat, _)| waits_for(*seat))?;
        Some(state.sleepers.remove(at).1)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a job of the domain that has had the least, of those that suit the thread, and charges what such a job
    /// usually takes.
    fn pop(&mut self, seat: Seat) -> Option<(Job, u64)> {
        let turn = self.turn_for(seat).cloned();
        let moves = turn.is_none() && self.may_move();
        let turn = turn.or_else(|| self.turns.first().filter(|_| moves).cloned())?;
        self.turns.remove(&turn);
        let (had, domain) = turn;
        self.clock = self.clock.max(had);
        let account = self.accounts.get_mut(&domain)?;
        let job = account.jobs.pop_front()?;
        let charged = account.usual;
        account.had = account.had.saturating_add(charged / account.weight);
        if domain != Domain::Host {
            account.is_served_by(seat);
        }
        if moves {
            account.homes = seat.0;
            self.moved = Some(Instant::now());
        }
        if !account.jobs.is_empty() {
            account.waits_since = account.waits_since.map(|_| Instant::now());
            self.turns.insert((account.had, domain));
        }
        self.waiting -= 1;
        Some((job, charged))
    }

    /// Whose turn it is, of those that suit a thread.
    fn turn_for(&self, seat: Seat) -> Option<&(u64, Domain)> {
        let suits = |domain| self.accounts.get(domain).is_some_and(|account| account.suits(seat, self.away));
        self.turns.iter().take(LOOKED_AT).find(|(_, domain)| suits(domain))
    }

    /// A free thread may make a tenant of others its own.
    fn may_move(&self) -> bool {
        self.waiting >= MOVE_AT && self.moved.is_none_or(|moved| moved.elapsed() >= MOVE_AFTER)
    }

    /// Charges what a job took in place of what it was thought to take.
    fn settle(&mut self, done: &Done) {
        if done.held_permit {
            self.running = self.running.saturating_sub(1);
        }
        let Some(account) = self.accounts.get_mut(&done.domain) else { return };
        let took = u64::try_from(done.took.as_nanos()).unwrap_or(u64::MAX);
        let before = account.had;
        account.had = before.saturating_sub(done.charged / account.weight).saturating_add(took / account.weight);
        account.usual = (account.usual - account.usual / 8).saturating_add(took / 8).max(1_000);
        if !account.jobs.is_empty() && account.had != before {
            let had = account.had;
            self.turns.remove(&(before, done.domain.clone()));
            self.turns.insert((had, done.domain.clone()));
        } else if self.turns.is_empty() && self.running == 0 {
            // Nobody waited for what this domain had: it owes nothing.
            self.clock = self.clock.max(account.had);
        }
    }

    fn forget_idle(&mut self) {
        let most = REMEMBERED + self.turns.len() * 2;
        if self.accounts.len() >= most {
            let clock = self.clock;
            self.accounts.retain(|_, account| !account.jobs.is_empty() || account.had > clock);
        }
        // Thousands that each asked for a little: what they owe is not worth its keep.
        if self.accounts.len() >= most {
            self.accounts.retain(|_, account| !account.jobs.is_empty());
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
