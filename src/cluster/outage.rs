//! How long a watch has been failing, and when to try again.
//!
//! Not kube's own back-off: that starts anew with every event, and each attempt to list begins with one, so that a kind the
//! role may not list would be asked for every second for ever.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use kube::runtime::watcher;

/// Failures in a row. A watch says nothing when it recovers in silence, so errors count as one outage while they come no
/// further apart than [`Outage::QUIET`].
#[derive(Debug, Default)]
pub struct Outage {
    first: Option<Instant>,
    last: Option<Instant>,
    /// When the attempt after the last failure began.
    resumed: Option<Instant>,
    /// In a row, for the pause.
    failures: u32,
    is_new: bool,
}

impl Outage {
    /// Pauses as client-go's reflector makes them.
    const FIRST_PAUSE: Duration = Duration::from_millis(800);
    const LONGEST_PAUSE: Duration = Duration::from_secs(30);
    /// The longest pause, and time for an attempt to fail.
    const QUIET: Duration = Duration::from_secs(90);
    /// A watch that goes on for so long has begun well.
    const BEGUN: Duration = Duration::from_millis(100);

    /// Counts a failure; answers with the pause before the next attempt.
    pub fn failed(&mut self, now: Instant) -> Duration {
        self.is_new = self.last.is_none_or(|last| now.duration_since(last) > Self::QUIET);
        if self.is_new {
            *self = Self { first: Some(now), is_new: true, ..Self::default() };
        }
        self.last = Some(now);
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        // Half of it at random, so that replicas do not all come back at once.
        let half = Self::FIRST_PAUSE.saturating_mul(doubled).min(Self::LONGEST_PAUSE) / 2;
        let pause = half + half.mul_f64(random_share());
        self.resumed = Some(now + pause);
        pause
    }

    /// The same for a watch. One that had begun and broke is no news of an API server that is away: it is taken up soon,
    /// however often that happens. Of one that is quiet nothing else would ever say that it is well.
    pub fn watch_failed(&mut self, error: &watcher::Error, now: Instant) -> Duration {
        if self.is_mere_break(error, now) {
            (self.first, self.failures) = (Some(now), 0);
        }
        self.failed(now)
    }

    /// Whether a watch was going on well until it broke.
    pub fn is_mere_break(&self, error: &watcher::Error, now: Instant) -> bool {
        let went_on = self.resumed.is_none_or(|resumed| now.saturating_duration_since(resumed) >= Self::BEGUN);
        matches!(error, watcher::Error::WatchFailed(_)) && went_on
    }

    pub fn recovered(&mut self) {
        *self = Self::default();
    }

    /// Whether the last failure was the first of its outage: the one worth a warning.
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether it has lasted longer than that, and still does.
    pub fn lasts_longer_than(&self, time: Duration, now: Instant) -> bool {
        let (Some(first), Some(last)) = (self.first, self.last) else { return false };
        now.duration_since(last) <= Self::QUIET && now.duration_since(first) > time
    }
}

/// From 0 to 1.
fn random_share() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALE: Duration = Duration::from_mins(1);

    #[test]
    fn an_outage_lasts_from_its_first_failure_until_it_is_quiet() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut outage = Outage::default();
        assert!(!outage.lasts_longer_than(STALE, at(0)));
        for seconds in (0..=90).step_by(30) {
            outage.failed(at(seconds));
        }
        assert!(!outage.lasts_longer_than(STALE, at(59)));
        assert!(outage.lasts_longer_than(STALE, at(91)));
        assert!(!outage.lasts_longer_than(STALE, at(200)), "no error for so long means that it works again");
        outage.failed(at(400));
        assert!(outage.is_new());
        assert!(!outage.lasts_longer_than(STALE, at(401)), "a new failure starts anew");
        outage.failed(at(470));
        assert!(outage.lasts_longer_than(STALE, at(471)) && !outage.is_new());
        outage.recovered();
        assert!(!outage.lasts_longer_than(STALE, at(471)));
    }

    #[test]
    fn a_watch_that_breaks_every_second_is_taken_up_every_second() {
        let broken =
            || watcher::Error::WatchFailed(kube::Error::Service(Box::new(std::io::Error::other("connection reset"))));
        let mut now = Instant::now();
        let mut outage = Outage::default();
        for times in 0..200 {
            let pause = outage.watch_failed(&broken(), now);
            assert!(pause <= Outage::FIRST_PAUSE, "{pause:?} after {times} breaks");
            assert_eq!(outage.is_new(), times == 0, "one warning is enough");
            now += Duration::from_secs(1);
            assert!(!outage.lasts_longer_than(STALE, now), "what is in memory is at most a second old");
        }
        // One that breaks as soon as it begins is another matter.
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            longest = outage.watch_failed(&broken(), now);
            now += longest + Duration::from_millis(10);
        }
        assert!(longest > Outage::LONGEST_PAUSE / 3, "{longest:?}");
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_start_small_again() {
        let mut now = Instant::now();
        let mut outage = Outage::default();
        for attempt in 0..100 {
            let pause = outage.failed(now);
            let whole = Outage::FIRST_PAUSE.saturating_mul(1 << attempt.min(20)).min(Outage::LONGEST_PAUSE);
            assert!(pause >= whole / 2 && pause <= whole, "{attempt}: {pause:?}");
            now += pause;
        }
        outage.recovered();
        assert!(outage.failed(now) <= Outage::FIRST_PAUSE);
    }
}
