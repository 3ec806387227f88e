//! Ends runs that take too long: one thread that looks at the slots of all threads that enter isolates, every
//! millisecond while one of them is in use, and sleeps otherwise.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::slot::{Fate, HOG_AFTER, IDLE, KILLED, KillCause, RUNNING, SLOW_AFTER, STATE, Slot};

/// How often running slots are looked at. A deadline is kept to within this.
const TICK: Duration = Duration::from_millis(1);
/// A killed run that is still not back after this long holds its thread in a built-in that V8 cannot interrupt.
const WEDGED_AFTER: Duration = Duration::from_millis(100);
/// Ticks without a run before the watchdog sleeps until it is woken.
const IDLE_TICKS: u32 = 50;
/// The longest sleep, after which slots of threads that are gone are let go.
const SLEEP: Duration = Duration::from_secs(10);

pub(super) struct Watchdog {
    /// Slots that were registered since the watchdog last looked.
    new: Mutex<Vec<Weak<Slot>>>,
    asleep: AtomicBool,
    thread: OnceLock<std::thread::Thread>,
}

/// What the watchdog remembers of a slot between two looks.
struct Watch {
    slot: Weak<Slot>,
    /// The run that the rest is about.
    generation: u64,
    cpu_at_start: Option<Duration>,
    killed_at: Option<Instant>,
    told_slow: bool,
    told_hog: bool,
    /// The listener was told that the thread is lost.
    told: bool,
}

impl Watchdog {
    pub(super) fn get() -> &'static Self {
        static WATCHDOG: OnceLock<&'static Watchdog> = OnceLock::new();
        WATCHDOG.get_or_init(|| {
            let watchdog: &'static Self = Box::leak(Box::new(Self {
                new: Mutex::new(Vec::new()),
                asleep: AtomicBool::new(false),
                thread: OnceLock::new(),
            }));
            let started = std::thread::Builder::new().name("watchdog".to_owned()).spawn(|| watchdog.run());
            match started {
                Ok(handle) => drop(watchdog.thread.set(handle.thread().clone())),
                // Without it no limit would hold: better not to serve at all.
                Err(error) => {
                    tracing::error!(%error, "cannot start the watchdog thread");
                    std::process::abort();
                }
            }
            watchdog
        })
    }

    pub(super) fn add(&self, slot: &Arc<Slot>) {
        self.new.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(slot));
    }

    /// Called after a slot was changed with `SeqCst`. No wake-up is lost: either this sees `asleep`, or the watchdog's
    /// look after it set `asleep` sees the slot.
    pub(super) fn wake(&self) {
        // Only read while it is awake, or every run of every thread would fight for this one word.
        if self.asleep.load(Ordering::SeqCst)
            && self.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    fn run(&self) {
        let mut watched: Vec<Watch> = Vec::new();
        let mut idle_ticks = 0;
        loop {
            watched.extend(self.new.lock().unwrap_or_else(PoisonError::into_inner).drain(..).map(Watch::new));
            watched.retain(|watch| watch.slot.strong_count() > 0);
            let mut is_busy = false;
            for watch in &mut watched {
                if let Some(slot) = watch.slot.upgrade() {
                    is_busy |= watch.look(&slot);
                }
            }
            idle_ticks = if is_busy { 0 } else { idle_ticks + 1 };
            if idle_ticks < IDLE_TICKS {
                std::thread::sleep(TICK);
                continue;
            }
            self.asleep.store(true, Ordering::SeqCst);
            // A slot that is not in the table yet was registered after the look above, and may be armed already.
            let is_new = !self.new.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
            if !is_new && !watched.iter().any(Watch::is_in_use) {
                std::thread::park_timeout(SLEEP);
            }
            self.asleep.store(false, Ordering::SeqCst);
            idle_ticks = 0;
        }
    }
}

impl Watch {
    fn new(slot: Weak<Slot>) -> Self {
        Self {
            slot,
            generation: 0,
            cpu_at_start: None,
            killed_at: None,
            told_slow: false,
            told_hog: false,
            told: false,
        }
    }

    fn is_in_use(&self) -> bool {
        self.slot.upgrade().is_some_and(|slot| {
            let is_lost = slot.lost.load(Ordering::SeqCst);
            if is_lost { !self.told } else { slot.word.load(Ordering::SeqCst) & STATE != IDLE }
        })
    }

    /// One look at the slot; whether there is reason for another soon.
    fn look(&mut self, slot: &Slot) -> bool {
        if slot.lost.load(Ordering::Acquire) {
            if !std::mem::replace(&mut self.told, true) {
                tell(slot, Fate::Lost);
            }
            return false;
        }
        let word = slot.word.load(Ordering::Acquire);
        if self.generation != word & !STATE {
            *self = Self { generation: word & !STATE, ..Self::new(self.slot.clone()) };
        }
        match word & STATE {
            IDLE => false,
            RUNNING => {
                let cpu = slot.clock.now();
                let used = cpu.saturating_sub(*self.cpu_at_start.get_or_insert(cpu));
                // Both limits are at least as new as `word`; if they are newer, `kill` finds that its run is over.
                if nanos(epoch().elapsed()) >= slot.wall_deadline.load(Ordering::Relaxed) {
                    slot.kill(word, KillCause::Wall);
                } else if nanos(used) >= slot.cpu_limit.load(Ordering::Relaxed) {
                    slot.kill(word, KillCause::Cpu);
                }
                // A run that ended meanwhile is told of all the same: who is told too much does no harm.
                if used >= SLOW_AFTER && !std::mem::replace(&mut self.told_slow, true) {
                    tell(slot, Fate::Slow);
                }
                if used >= HOG_AFTER && !std::mem::replace(&mut self.told_hog, true) {
                    tell(slot, Fate::Hog);
                }
                true
            }
            KILLED => {
                let since = self.killed_at.get_or_insert_with(Instant::now).elapsed();
                if since >= WEDGED_AFTER && slot.abandon(word) {
                    tell(slot, Fate::Wedged(slot.cause()));
                }
                true
            }
            // Being killed by its own thread, or written off already: nothing is left to do until it comes back.
            _ => true,
        }
    }
}

/// A listener that panics must not take the watchdog, and with it every limit, away.
fn tell(slot: &Slot, fate: Fate) {
    if catch_unwind(AssertUnwindSafe(|| (slot.listener)(fate))).is_err() {
        tracing::error!(?fate, "who replaces lost threads panicked");
    }
}

/// What deadlines are counted from.
pub(super) fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    /// Waits until the slot's run was ended, and tells how long that took.
    fn until_killed(slot: &Slot) -> Duration {
        let begun = Instant::now();
        while !slot.is_killed() {
            assert!(begun.elapsed() < Duration::from_secs(5), "nobody ended the run");
            std::thread::sleep(Duration::from_micros(200));
        }
        begun.elapsed()
    }

    #[test]
    fn a_run_ends_at_its_deadline() {
        let slot = Slot::register(|_| {});
        slot.arm(Instant::now() + Duration::from_millis(20), LONG);
        assert!(until_killed(&slot) >= Duration::from_millis(15));
        assert_eq!(slot.disarm(), Some(KillCause::Wall));
    }

    #[test]
    fn a_run_ends_when_its_processor_time_is_used_up_but_not_while_it_waits() {
        let slot = Slot::register(|_| {});
        slot.arm(Instant::now() + LONG, Duration::from_millis(20));
        std::thread::sleep(Duration::from_millis(60));
        assert!(!slot.is_killed(), "sleeping is not computing");
        let begun = Instant::now();
        while !slot.is_killed() {
            assert!(begun.elapsed() < Duration::from_secs(10), "nobody ended the run");
            std::hint::spin_loop();
        }
        assert_eq!(slot.disarm(), Some(KillCause::Cpu));
    }

    #[test]
    fn a_thread_that_does_not_come_back_is_written_off_once() {
        let (tell, told) = mpsc::channel();
        let slot = Slot::register(move |fate| tell.send(fate).unwrap());
        slot.arm(Instant::now(), LONG);
        until_killed(&slot);
        assert_eq!(told.recv_timeout(Duration::from_secs(5)), Ok(Fate::Wedged(KillCause::Wall)));
        assert!(told.recv_timeout(Duration::from_millis(150)).is_err());
        assert_eq!(slot.disarm(), Some(KillCause::Wall));
        assert!(slot.is_abandoned());
    }

    #[test]
    fn a_run_that_computes_for_long_is_told_of_once_for_each_step() {
        let (tell, told) = mpsc::channel();
        let slot = Slot::register(move |fate| tell.send(fate).unwrap());
        for _ in 0..2 {
            slot.arm(Instant::now() + LONG, LONG);
            let begun = slot.clock.now();
            while slot.clock.now() < begun + HOG_AFTER * 2 {
                std::hint::spin_loop();
            }
            assert_eq!(slot.disarm(), None, "it goes on");
            assert_eq!(told.try_iter().collect::<Vec<_>>(), [Fate::Slow, Fate::Hog]);
        }
    }

    #[test]
    fn a_listener_that_panics_does_not_end_the_watch() {
        let panics = Slot::register(|_| panic!("a fault of the listener"));
        panics.lose();
        let slot = Slot::register(|_| {});
        slot.arm(Instant::now() + Duration::from_millis(50), LONG);
        until_killed(&slot);
        slot.disarm();
    }

    #[test]
    fn a_lost_thread_is_told_of_also_between_runs() {
        let (tell, told) = mpsc::channel();
        let slot = Slot::register(move |fate| tell.send(fate).unwrap());
        // Long enough for the watchdog to fall asleep.
        std::thread::sleep(TICK * (IDLE_TICKS * 3));
        slot.lose();
        assert_eq!(told.recv_timeout(Duration::from_secs(5)), Ok(Fate::Lost));
        assert!(told.recv_timeout(Duration::from_millis(100)).is_err());
    }

    /// Each round meets the watchdog at another point of its way to sleep; a lost wake-up would cost ten seconds.
    #[test]
    fn a_run_that_begins_while_the_watchdog_falls_asleep_is_seen() {
        for round in 0..24 {
            std::thread::sleep(TICK * (IDLE_TICKS + 4) + Duration::from_micros(round * 173));
            let slot = Slot::register(|_| {});
            slot.arm(Instant::now(), LONG);
            assert!(until_killed(&slot) < Duration::from_secs(1));
            slot.disarm();
        }
    }
}
