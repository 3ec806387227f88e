//! How the runs of a policy went lately. The pool decides by it where the next run goes, and whether there is one: a
//! policy that has to be ended again and again is not asked for a while (a circuit breaker), and one that computes for
//! long does so where it holds up nobody.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Runs in a row that had to be ended before the policy is not asked any more. One run that ends by itself starts the
/// count again, so that who sends hostile objects to a sound policy cannot switch it off while others use it.
const KILLS: u32 = 5;

/// A kill that is older than this does not count any more.
const WINDOW: Duration = Duration::from_mins(1);

/// How long the policy is not asked after the first time, doubled each time after that.
const BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_BACK_OFF: Duration = Duration::from_mins(1);

/// How long the one run may take that shows whether the policy is well again, before another is tried.
const TRIAL: Duration = Duration::from_secs(10);

/// Long runs, none older than [`WINDOW`], after which the policy runs apart.
const STRIKES: u32 = 2;

/// How long it runs apart, doubled each time.
const APART: Duration = Duration::from_mins(1);
const LONGEST_APART: Duration = Duration::from_mins(30);

/// Whether a policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Asked,
    /// Not for this long: its last runs all had to be ended.
    Shunned(Duration),
}

/// The record of one revision. All times are milliseconds since the process first asked; 0 stands for never.
#[derive(Debug, Default)]
pub struct Conduct {
    kills: AtomicU32,
    last_kill: AtomicU64,
    shunned_until: AtomicU64,
    shunned: AtomicU32,
    strikes: AtomicU32,
    last_strike: AtomicU64,
    apart_until: AtomicU64,
    apart: AtomicU32,
    ran_out_of_memory: AtomicBool,
}

impl Conduct {
    /// Whether to ask the policy. Once its time is over one caller may try it, and the others wait for what comes of it.
    pub fn standing(&self, now: Instant) -> Standing {
        let until = self.shunned_until.load(Relaxed);
        if until == 0 {
            return Standing::Asked;
        }
        let now = millis(now);
        let trial = now.saturating_add(as_millis(TRIAL));
        if now >= until && self.shunned_until.compare_exchange(until, trial, Relaxed, Relaxed).is_ok() {
            return Standing::Asked;
        }
        Standing::Shunned(Duration::from_millis(self.shunned_until.load(Relaxed).saturating_sub(now)))
    }

    /// Whether nothing was held against it lately: nobody has to ask for its standing.
    pub fn is_sound(&self) -> bool {
        self.shunned_until.load(Relaxed) == 0
    }

    /// For how long it is not asked yet, without taking the turn of the one that tries it.
    pub fn shunned_for(&self, now: Instant) -> Option<Duration> {
        let left = self.shunned_until.load(Relaxed).saturating_sub(millis(now));
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// A run came to its own end, whatever its verdict.
    pub fn ended(&self) {
        // Read before written: the runs of one policy on many threads must not fight for this.
        if self.kills.load(Relaxed) != 0 || self.shunned_until.load(Relaxed) != 0 {
            self.kills.store(0, Relaxed);
            self.shunned.store(0, Relaxed);
            self.shunned_until.store(0, Relaxed);
        }
    }

    /// A run had to be ended. Whether the policy is shunned from now on.
    pub fn killed(&self, now: Instant) -> bool {
        let now = millis(now);
        let is_old = now.saturating_sub(self.last_kill.swap(now, Relaxed)) > as_millis(WINDOW);
        if is_old && self.shunned_until.load(Relaxed) == 0 {
            self.kills.store(0, Relaxed);
        }
        if self.kills.fetch_add(1, Relaxed) + 1 < KILLS {
            return false;
        }
        let times = self.shunned.fetch_add(1, Relaxed);
        self.shunned_until.store(now.saturating_add(doubled(BACK_OFF, times, LONGEST_BACK_OFF)), Relaxed);
        true
    }

    /// Whether it runs where it holds up nobody but its like.
    pub fn is_apart(&self, now: Instant) -> bool {
        let until = self.apart_until.load(Relaxed);
        until != 0 && millis(now) < until
    }

    /// A run computed for long. Whether the policy runs apart from now on.
    pub fn dawdled(&self, now: Instant) -> bool {
        let now = millis(now);
        let is_old = now.saturating_sub(self.last_strike.swap(now, Relaxed)) > as_millis(WINDOW);
        if is_old {
            self.strikes.store(0, Relaxed);
        }
        // Who was apart before proves it with one more such run.
        if self.strikes.fetch_add(1, Relaxed) + 1 < STRIKES && self.apart.load(Relaxed) == 0 {
            return false;
        }
        let times = self.apart.fetch_add(1, Relaxed);
        self.apart_until.store(now.saturating_add(doubled(APART, times, LONGEST_APART)), Relaxed);
        true
    }

    /// It ran an isolate out of memory in a way that V8 gives up on: from now on it runs in a process of its own.
    pub fn run_out_of_memory(&self) {
        self.ran_out_of_memory.store(true, Relaxed);
    }

    /// Whether it did so once.
    pub fn has_run_out_of_memory(&self) -> bool {
        self.ran_out_of_memory.load(Relaxed)
    }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> u64 {
    as_millis(first.saturating_mul(1 << times.min(16)).min(longest))
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Never 0, which stands for never.
fn millis(now: Instant) -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    as_millis(now.saturating_duration_since(*EPOCH.get_or_init(Instant::now))).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: f64) -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        *START.get_or_init(Instant::now) + Duration::from_secs_f64(seconds)
    }

    fn shunned() -> Conduct {
        let conduct = Conduct::default();
        for _ in 1..KILLS {
            assert!(!conduct.killed(after(1.0)));
        }
        assert!(conduct.killed(after(1.0)));
        conduct
    }

    #[test]
    fn a_policy_is_shunned_after_so_many_kills_in_a_row() {
        let conduct = shunned();
        assert_eq!(conduct.standing(after(1.5)), Standing::Shunned(Duration::from_millis(500)));
        assert_eq!(conduct.shunned_for(after(1.5)), Some(Duration::from_millis(500)));
        assert_eq!(conduct.shunned_for(after(2.5)), None);
    }

    #[test]
    fn a_run_that_ends_by_itself_between_kills_keeps_it_asked() {
        let conduct = Conduct::default();
        for _ in 0..10 {
            for _ in 1..KILLS {
                assert!(!conduct.killed(after(1.0)));
            }
            conduct.ended();
        }
        assert_eq!(conduct.standing(after(1.0)), Standing::Asked);
    }

    #[test]
    fn kills_far_apart_do_not_add_up() {
        let conduct = Conduct::default();
        for hour in 0..20 {
            assert!(!conduct.killed(after(f64::from(hour) * 3600.0)));
        }
    }

    #[test]
    fn one_run_shows_whether_it_is_well_again() {
        let conduct = shunned();
        assert_eq!(conduct.standing(after(2.1)), Standing::Asked, "its time is over");
        assert!(matches!(conduct.standing(after(2.1)), Standing::Shunned(_)), "one try at a time");
        conduct.ended();
        assert_eq!(conduct.standing(after(2.2)), Standing::Asked);
        assert!(!conduct.killed(after(2.3)), "and the count begins again");
    }

    #[test]
    fn the_back_off_doubles_while_nothing_gets_better_and_has_an_end() {
        let conduct = shunned();
        assert_eq!(conduct.standing(after(2.1)), Standing::Asked);
        assert!(conduct.killed(after(3.0)), "a failed try counts at once");
        assert_eq!(conduct.shunned_for(after(3.0)), Some(Duration::from_secs(2)));
        for _ in 0..40 {
            conduct.killed(after(3.0));
        }
        assert_eq!(conduct.shunned_for(after(3.0)), Some(LONGEST_BACK_OFF));
    }

    #[test]
    fn a_try_that_nobody_reported_of_does_not_shun_it_for_ever() {
        let conduct = shunned();
        assert_eq!(conduct.standing(after(2.1)), Standing::Asked);
        assert_eq!(conduct.standing(after(12.2)), Standing::Asked);
    }

    #[test]
    fn who_dawdles_twice_runs_apart_and_for_longer_the_next_time() {
        let conduct = Conduct::default();
        assert!(!conduct.dawdled(after(1.0)));
        assert!(!conduct.is_apart(after(1.0)));
        assert!(conduct.dawdled(after(2.0)));
        assert!(conduct.is_apart(after(61.0)) && !conduct.is_apart(after(62.1)));
        assert!(conduct.dawdled(after(200.0)), "once was enough");
        assert!(conduct.is_apart(after(319.0)));
    }
}
