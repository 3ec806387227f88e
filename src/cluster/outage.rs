//! How long a watch has been failing, and when to try again.
//!
//! Not kube's own back-off: that starts anew with every event, and each attempt to list begins with one, so that a kind the
//! role may not list would be asked for every second for ever.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Failures in a row. A watch says nothing when it recovers in silence, so errors count as one outage while they come no
/// further apart than [`Outage::QUIET`].
#[derive(Debug, Default)]
pub struct Outage {
    first: Option<Instant>,
    last: Option<Instant>,
    failures: u32,
}

impl Outage {
    /// Pauses as client-go's reflector makes them.
    const FIRST_PAUSE: Duration = Duration::from_millis(800);
    const LONGEST_PAUSE: Duration = Duration::from_secs(30);
    /// The longest pause, and time for an attempt to fail.
    const QUIET: Duration = Duration::from_secs(90);

    /// Counts a failure; answers with the pause before the next attempt.
    pub fn failed(&mut self, now: Instant) -> Duration {
        if self.last.is_none_or(|last| now.duration_since(last) > Self::QUIET) {
            *self = Self { first: Some(now), ..Self::default() };
        }
        self.last = Some(now);
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        // Half of it at random, so that replicas do not all come back at once.
        let half = Self::FIRST_PAUSE.saturating_mul(doubled).min(Self::LONGEST_PAUSE) / 2;
        half + half.mul_f64(random_share())
    }

    pub fn recovered(&mut self) {
        *self = Self::default();
    }

    /// Whether the last failure was the first of its outage: the one worth a warning.
    pub const fn is_new(&self) -> bool {
        self.failures == 1
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
