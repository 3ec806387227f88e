//! Ends runs that take too long. One thread looks at a table of slots, one slot a thread that enters isolates.
//!
//! A kill can never hit the next run: the watchdog moves a slot from `RUNNING(generation)` to `KILLING` before it
//! terminates, and the thread that leaves JavaScript moves the same word from `RUNNING` to `IDLE`. Only one of the two
//! succeeds; the loser waits for the other to finish (engine notes §2.5).

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use deno_core::v8;

use super::clock::ThreadClock;

/// How often running slots are looked at. A deadline is kept to within this.
const TICK: Duration = Duration::from_millis(1);
/// A killed run that is still not back after this long holds its thread in a built-in that V8 cannot interrupt.
const WEDGED_AFTER: Duration = Duration::from_millis(100);
/// Ticks without a run before the watchdog sleeps until it is woken.
const IDLE_TICKS: u32 = 50;

const IDLE: u64 = 0;
const RUNNING: u64 = 1;
const KILLING: u64 = 2;
const KILLED: u64 = 3;
const STATE: u64 = 3;

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

/// What became of a thread that did not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Still inside a built-in, long after it was told to stop; it may come back.
    Wedged(KillCause),
    /// Parked for ever by the out-of-memory handler, its isolate's memory with it.
    Lost,
}

type Listener = Box<dyn Fn(Fate) + Send + Sync>;

/// The place of one thread in the watchdog's table.
pub struct Slot {
    /// Generation in the upper bits, one of the four states in the lowest two.
    word: AtomicU64,
    wall_deadline: AtomicU64,
    cpu_limit: AtomicU64,
    cause: AtomicU8,
    lost: AtomicBool,
    handle: Mutex<Option<v8::IsolateHandle>>,
    clock: ThreadClock,
    listener: Listener,
}

impl Slot {
    /// A slot for the calling thread. `listener` is told, from the watchdog's thread, when this thread is written off.
    pub fn register(listener: impl Fn(Fate) + Send + Sync + 'static) -> Arc<Self> {
        let slot = Arc::new(Self {
            word: AtomicU64::new(IDLE),
            wall_deadline: AtomicU64::new(0),
            cpu_limit: AtomicU64::new(0),
            cause: AtomicU8::new(0),
            lost: AtomicBool::new(false),
            handle: Mutex::new(None),
            clock: ThreadClock::of_this_thread(),
            listener: Box::new(listener),
        });
        let watchdog = Watchdog::get();
        watchdog.slots.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&slot));
        slot
    }

    /// Says which isolate this thread is about to enter.
    pub(super) fn watch(&self, handle: v8::IsolateHandle) {
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
    }

    /// A run begins. It ends by the wall deadline, or when the thread has used `cpu` of processor time since.
    pub(super) fn arm(&self, deadline: Instant, cpu: Duration) {
        self.wall_deadline.store(nanos(deadline.saturating_duration_since(epoch())), Ordering::Relaxed);
        self.cpu_limit.store(nanos(cpu), Ordering::Relaxed);
        let generation = (self.word.load(Ordering::Relaxed) & !STATE).wrapping_add(STATE + 1);
        self.word.store(generation | RUNNING, Ordering::SeqCst);
        Watchdog::get().wake();
    }

    /// The run is over: whether it was ended from outside.
    pub(super) fn disarm(&self) -> Option<KillCause> {
        let word = self.word.load(Ordering::Acquire);
        let idle = word & !STATE;
        if word & STATE == RUNNING
            && self.word.compare_exchange(word, idle, Ordering::AcqRel, Ordering::Acquire).is_ok()
        {
            return None;
        }
        while self.word.load(Ordering::Acquire) & STATE == KILLING {
            std::hint::spin_loop();
        }
        let cause = KillCause::from_byte(self.cause.load(Ordering::Acquire));
        self.word.store(idle, Ordering::Release);
        Some(cause)
    }

    /// Ends the run under way, if there is one. Safe from any thread.
    pub(super) fn kill(&self, cause: KillCause) {
        let word = self.word.load(Ordering::Acquire);
        let generation = word & !STATE;
        if word & STATE != RUNNING
            || self.word.compare_exchange(word, generation | KILLING, Ordering::AcqRel, Ordering::Acquire).is_err()
        {
            return;
        }
        self.cause.store(cause as u8, Ordering::Release);
        if let Some(handle) = self.handle.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            handle.terminate_execution();
        }
        self.word.store(generation | KILLED, Ordering::Release);
    }

    /// Called by the out-of-memory handler before it parks the thread for ever.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        Watchdog::get().wake();
    }
}

/// What the watchdog remembers of a slot between two looks.
struct Watch {
    slot: Weak<Slot>,
    generation: u64,
    cpu_at_start: Option<Duration>,
    killed_at: Option<Instant>,
    told: bool,
}

struct Watchdog {
    slots: Mutex<Vec<Weak<Slot>>>,
    asleep: AtomicBool,
    thread: OnceLock<std::thread::Thread>,
}

impl Watchdog {
    fn get() -> &'static Self {
        static WATCHDOG: OnceLock<&'static Watchdog> = OnceLock::new();
        WATCHDOG.get_or_init(|| {
            let watchdog: &'static Self = Box::leak(Box::new(Self {
                slots: Mutex::new(Vec::new()),
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

    fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    fn run(&self) {
        let mut watched: Vec<Watch> = Vec::new();
        let mut idle_ticks = 0;
        loop {
            for slot in self.slots.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                watched.push(Watch { slot, generation: 0, cpu_at_start: None, killed_at: None, told: false });
            }
            watched.retain(|watch| watch.slot.strong_count() > 0);
            let busy = watched.iter_mut().filter_map(|watch| watch.slot.upgrade().map(|slot| look(watch, &slot))).fold(false, |a, b| a | b);
            idle_ticks = if busy { 0 } else { idle_ticks + 1 };
            if idle_ticks < IDLE_TICKS {
                std::thread::sleep(TICK);
                continue;
            }
            // A run that begins between the look above and this store sees `asleep` and wakes us; one that began
            // before it is seen by the second look.
            self.asleep.store(true, Ordering::SeqCst);
            let running = watched.iter().any(|watch| {
                watch.slot.upgrade().is_some_and(|slot| slot.word.load(Ordering::SeqCst) & STATE != IDLE)
            });
            if !running {
                std::thread::park_timeout(Duration::from_secs(1));
            }
            self.asleep.store(false, Ordering::SeqCst);
            idle_ticks = 0;
        }
    }
}

/// One look at one slot; whether it is in use.
fn look(watch: &mut Watch, slot: &Slot) -> bool {
    let word = slot.word.load(Ordering::Acquire);
    if watch.generation != word & !STATE {
        *watch = Watch { slot: watch.slot.clone(), generation: word & !STATE, cpu_at_start: None, killed_at: None, told: false };
    }
    if slot.lost.load(Ordering::Acquire) {
        if !std::mem::replace(&mut watch.told, true) {
            (slot.listener)(Fate::Lost);
        }
        return false;
    }
    match word & STATE {
        RUNNING => {
            let now = Instant::now();
            let cpu = slot.clock.now();
            let used = cpu.saturating_sub(*watch.cpu_at_start.get_or_insert(cpu));
            if nanos(now.saturating_duration_since(epoch())) >= slot.wall_deadline.load(Ordering::Relaxed) {
                slot.kill(KillCause::Wall);
            } else if nanos(used) >= slot.cpu_limit.load(Ordering::Relaxed) {
                slot.kill(KillCause::Cpu);
            }
            true
        }
        KILLED => {
            let since = watch.killed_at.get_or_insert_with(Instant::now).elapsed();
            if since >= WEDGED_AFTER && !std::mem::replace(&mut watch.told, true) {
                (slot.listener)(Fate::Wedged(KillCause::from_byte(slot.cause.load(Ordering::Acquire))));
            }
            true
        }
        state => state != IDLE,
    }
}

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
