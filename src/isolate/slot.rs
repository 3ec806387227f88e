//! The place of one thread in the watchdog's table, and the state machine by which a run is ended from outside.
//!
//! A kill can never hit the next run. The watchdog moves the word from `RUNNING` to `KILLING`, naming the run it looked
//! at, before it terminates; the thread that leaves JavaScript moves the same word from `RUNNING` to `IDLE`. Only one of
//! the two succeeds, and the loser waits for the other to finish (engine notes §2.5). In the same way a thread that
//! comes back and the watchdog that writes it off agree on which of them was first.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deno_core::v8;

use super::clock::ThreadClock;
use super::priority::ThreadPriority;
use super::watchdog::{Watchdog, epoch, nanos};
use crate::policy::Revision;

/// The lowest bits of the word are one of these, the others count the runs.
pub(super) const IDLE: u64 = 0;
pub(super) const RUNNING: u64 = 1;
pub(super) const KILLING: u64 = 2;
pub(super) const KILLED: u64 = 3;
pub(super) const ABANDONED: u64 = 4;
pub(super) const STATE: u64 = 7;

/// Why a run was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum KillCause {
    Wall = 1,
    Cpu = 2,
    Memory = 3,
}

impl KillCause {
    const fn from_byte(byte: u8) -> Self {
        match byte {
            2 => Self::Cpu,
            3 => Self::Memory,
            _ => Self::Wall,
        }
    }
}

/// What the watchdog sees of a thread whose run takes long, or does not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Has computed for longer than most runs ever do ([`SLOW_AFTER`]), and goes on.
    Slow,
    /// Has computed for so long ([`HOG_AFTER`]) that it should get out of the way of others; it goes on.
    Hog,
    /// Still inside a built-in, long after it was told to stop; it may come back.
    Wedged(KillCause),
    /// Parked for ever by the out-of-memory handler, its isolate's memory with it.
    Lost,
}

impl Fate {
    /// Whether the thread is given up.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Wedged(_) | Self::Lost)
    }
}

/// Processor time of a run after which it is told to be slow: hundreds of times what policies take, and yet less than
/// anybody notices who waits behind it.
pub const SLOW_AFTER: Duration = Duration::from_millis(3);

/// Processor time of a run after which it is told to be a hog.
pub const HOG_AFTER: Duration = Duration::from_millis(25);

type Listener = Box<dyn Fn(Fate) + Send + Sync>;

/// The place of one thread in the watchdog's table.
pub struct Slot {
    pub(super) word: AtomicU64,
    pub(super) wall_deadline: AtomicU64,
    pub(super) cpu_limit: AtomicU64,
    pub(super) clock: ThreadClock,
    pub(super) listener: Listener,
    pub(super) lost: AtomicBool,
    priority: ThreadPriority,
    /// The address of the revision that runs, so that whoever is told of the run knows whose it is.
    running: AtomicUsize,
    is_loading: AtomicBool,
    cause: AtomicU8,
    abandoned: AtomicBool,
    exhausted: AtomicBool,
    /// Which isolate `handle` belongs to.
    watched: AtomicU64,
    handle: Mutex<Option<v8::IsolateHandle>>,
}

impl Slot {
    /// A slot for the calling thread. `listener` is told, from the watchdog's thread, when this thread is written off.
    pub fn register(listener: impl Fn(Fate) + Send + Sync + 'static) -> Arc<Self> {
        let slot = Arc::new(Self {
            word: AtomicU64::new(IDLE),
            wall_deadline: AtomicU64::new(0),
            cpu_limit: AtomicU64::new(0),
            clock: ThreadClock::of_this_thread(),
            listener: Box::new(listener),
            lost: AtomicBool::new(false),
            priority: ThreadPriority::of_this_thread(),
            running: AtomicUsize::new(0),
            is_loading: AtomicBool::new(false),
            cause: AtomicU8::new(0),
            abandoned: AtomicBool::new(false),
            exhausted: AtomicBool::new(false),
            watched: AtomicU64::new(0),
            handle: Mutex::new(None),
        });
        Watchdog::get().add(&slot);
        slot
    }

    /// Whether the listener was told that this thread does not come back, though it did: another has its place.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// The address of the revision that runs, or ran last on this thread; 0 while a request is read.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Says whose run comes next.
    pub(super) fn runs(&self, revision: *const Revision) {
        self.running.store(revision.addr(), Ordering::Relaxed);
        self.is_loading.store(false, Ordering::Relaxed);
    }

    /// Says that a policy is loaded next, which happens once and may take long.
    pub(super) fn loads(&self, revision: *const Revision) {
        self.running.store(revision.addr(), Ordering::Relaxed);
        self.is_loading.store(true, Ordering::Relaxed);
    }

    /// Whether what is under way is the loading of a policy and not a run.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        self.is_loading.load(Ordering::Relaxed)
    }

    /// Puts this thread behind all others for good.
    pub fn lower_priority(&self) {
        self.priority.lower();
    }

    /// Whether this thread was put behind all others.
    #[must_use]
    pub fn has_low_priority(&self) -> bool {
        self.priority.is_low()
    }

    /// After a panic: whatever ran on this thread is over.
    pub fn recover(&self) {
        self.disarm();
    }

    /// Says which isolate this thread is about to enter; `isolate` is a number that no other ever had.
    pub(super) fn watch(&self, isolate: u64, handle: &v8::IsolateHandle) {
        // Between runs, so that no kill is under way that could take the one for the other.
        if self.watched.swap(isolate, Ordering::Relaxed) != isolate {
            *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle.clone());
        }
    }

    /// A run begins. It ends by the wall deadline, or when the thread has used `cpu` of processor time since.
    pub(super) fn arm(&self, deadline: Instant, cpu: Duration) {
        self.wall_deadline.store(nanos(deadline.saturating_duration_since(epoch())), Ordering::Relaxed);
        self.cpu_limit.store(nanos(cpu), Ordering::Relaxed);
        let next = (self.word.load(Ordering::Relaxed) | STATE).wrapping_add(1);
        self.word.store(next | RUNNING, Ordering::SeqCst);
        Watchdog::get().wake();
    }

    /// The run is over: whether it was ended from outside. Nothing may be armed before this returns.
    pub(super) fn disarm(&self) -> Option<KillCause> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let idle = word & !STATE;
            match word & STATE {
                IDLE => return None,
                KILLING => {
                    std::thread::yield_now();
                    word = self.word.load(Ordering::Acquire);
                }
                state => match self.word.compare_exchange(word, idle, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) if state == RUNNING => return None,
                    Ok(_) => {
                        self.abandoned.fetch_or(state == ABANDONED, Ordering::Relaxed);
                        return Some(self.cause());
                    }
                    Err(now) => word = now,
                },
            }
        }
    }

    /// Whether somebody ends the run under way, or has.
    pub(super) fn is_killed(&self) -> bool {
        !matches!(self.word.load(Ordering::SeqCst) & STATE, IDLE | RUNNING)
    }

    /// Ends the run that `word` was read of, unless it is over. Safe from any thread.
    pub(super) fn kill(&self, word: u64, cause: KillCause) {
        let generation = word & !STATE;
        if word & STATE != RUNNING
            || self.word.compare_exchange(word, generation | KILLING, Ordering::SeqCst, Ordering::Acquire).is_err()
        {
            return;
        }
        self.cause.store(cause as u8, Ordering::Relaxed);
        if let Some(handle) = self.handle.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            handle.terminate_execution();
        }
        self.word.store(generation | KILLED, Ordering::Release);
    }

    /// Writes the thread off. False where the killed run that `word` was read of came back after all.
    pub(super) fn abandon(&self, word: u64) -> bool {
        let abandoned = (word & !STATE) | ABANDONED;
        word & STATE == KILLED
            && self.word.compare_exchange(word, abandoned, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(super) fn cause(&self) -> KillCause {
        KillCause::from_byte(self.cause.load(Ordering::Relaxed))
    }

    /// Called on the slot's own thread when its isolate reaches its heap limit.
    pub(super) fn exhaust(&self) {
        self.exhausted.store(true, Ordering::Relaxed);
        self.kill(self.word.load(Ordering::Acquire), KillCause::Memory);
    }

    /// Whether the isolate reached its heap limit since this was last asked, in a run or between runs.
    pub(super) fn take_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed) && self.exhausted.swap(false, Ordering::Relaxed)
    }

    /// Called by the out-of-memory handler before it parks the thread for ever.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
        Watchdog::get().wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    fn slot() -> Arc<Slot> {
        Slot::register(|_| {})
    }

    fn armed() -> (Arc<Slot>, u64) {
        let slot = slot();
        slot.arm(Instant::now() + LONG, LONG);
        let word = slot.word.load(Ordering::Acquire);
        (slot, word)
    }

    #[test]
    fn a_run_that_nobody_ended_has_no_cause() {
        let (slot, _) = armed();
        assert_eq!(slot.disarm(), None);
    }

    #[test]
    fn a_run_that_was_ended_has_the_cause_it_was_ended_for() {
        let (slot, word) = armed();
        slot.kill(word, KillCause::Cpu);
        assert!(slot.is_killed());
        slot.kill(word, KillCause::Memory);
        assert_eq!(slot.disarm(), Some(KillCause::Cpu));
        assert_eq!(slot.disarm(), None, "an idle slot was not killed again");
    }

    #[test]
    fn a_kill_that_was_meant_for_one_run_spares_the_next() {
        let (slot, first) = armed();
        slot.disarm();
        slot.arm(Instant::now() + LONG, LONG);
        slot.kill(first, KillCause::Wall);
        assert_eq!(slot.disarm(), None);
    }

    #[test]
    fn a_thread_is_written_off_only_while_it_is_away() {
        let (slot, word) = armed();
        assert!(!slot.abandon(word), "a run that was not told to stop");
        slot.kill(word, KillCause::Wall);
        let killed = slot.word.load(Ordering::Acquire);
        assert_eq!(slot.disarm(), Some(KillCause::Wall));
        assert!(!slot.abandon(killed), "a run that came back");
        assert!(!slot.is_abandoned());
    }

    #[test]
    fn a_thread_that_comes_back_too_late_knows_it() {
        let (slot, word) = armed();
        slot.kill(word, KillCause::Wall);
        assert!(slot.abandon(slot.word.load(Ordering::Acquire)));
        assert!(!slot.is_abandoned(), "it has not come back yet");
        assert_eq!(slot.disarm(), Some(KillCause::Wall));
        assert!(slot.is_abandoned());
        slot.arm(Instant::now() + LONG, LONG);
        slot.disarm();
        assert!(slot.is_abandoned(), "for good");
    }

    #[test]
    fn a_heap_limit_reached_between_runs_is_remembered() {
        let slot = slot();
        assert!(!slot.take_exhausted());
        slot.exhaust();
        assert!(slot.take_exhausted());
        assert!(!slot.take_exhausted());
        slot.arm(Instant::now() + LONG, LONG);
        assert_eq!(slot.disarm(), None, "what happened before a run does not end it");
    }

    /// Kills aimed at runs that end at the same moment, many times over: each hits the run it was aimed at or none.
    #[test]
    fn whoever_is_first_decides_and_both_know() {
        let slot = slot();
        let aimed = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let killer = std::thread::spawn({
            let (slot, aimed, done) = (Arc::clone(&slot), Arc::clone(&aimed), Arc::clone(&done));
            move || {
                while !done.load(Ordering::Relaxed) {
                    let word = slot.word.load(Ordering::Acquire);
                    // Every second run is fair game.
                    if word & STATE == RUNNING && (word >> 3).is_multiple_of(2) {
                        aimed.store(word >> 3, Ordering::Release);
                        slot.kill(word, KillCause::Wall);
                    }
                }
            }
        });
        let mut hits = 0;
        for pause in 0..200_000 {
            slot.arm(Instant::now() + LONG, LONG);
            let run = slot.word.load(Ordering::Relaxed) >> 3;
            for _ in 0..pause % 64 {
                std::hint::spin_loop();
            }
            if slot.disarm().is_some() {
                assert!(run.is_multiple_of(2), "run {run} was hit by a kill that was not meant for it");
                assert!(aimed.load(Ordering::Acquire) >= run);
                hits += 1;
            }
        }
        done.store(true, Ordering::Relaxed);
        killer.join().unwrap();
        assert!(hits > 0, "the test raced nothing");
    }
}
