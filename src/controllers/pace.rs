//! How fast something may go on: so many at once, then so many a second. What is done is never stopped half-way; whoever
//! did too much waits before it does anything again.

use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A second.
    rate: f64,
    burst: f64,
    /// Below zero: what was done too much.
    left: f64,
    at: Option<Instant>,
}

impl Pace {
    #[must_use]
    pub const fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, left: burst, at: None }
    }

    /// One is done.
    pub fn spend(&mut self, now: Instant) {
        self.refill(now);
        self.left -= 1.0;
    }

    /// How long to wait until one more may be done.
    pub fn wait(&mut self, now: Instant) -> Duration {
        self.refill(now);
        let missing = (1.0 - self.left).max(0.0);
        Duration::try_from_secs_f64(missing / self.rate).unwrap_or(Duration::MAX)
    }

    fn refill(&mut self, now: Instant) {
        if let Some(at) = self.at {
            let since = now.saturating_duration_since(at).as_secs_f64();
            self.left = (self.left + since * self.rate).min(self.burst);
        }
        self.at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_what_comes_after_waits() {
        let now = Instant::now();
        let mut pace = Pace::new(10.0, 5.0);
        for _ in 0..4 {
            pace.spend(now);
            assert_eq!(pace.wait(now), Duration::ZERO);
        }
        pace.spend(now);
        assert_eq!(pace.wait(now), Duration::from_millis(100));
        for _ in 0..10 {
            pace.spend(now);
        }
        assert_eq!(pace.wait(now), Duration::from_millis(1_100), "what was done too much is paid for");
        assert_eq!(pace.wait(now + Duration::from_millis(1_100)), Duration::ZERO);
    }

    #[test]
    fn who_did_nothing_for_long_gathers_no_more_than_a_burst() {
        let now = Instant::now();
        let mut pace = Pace::new(10.0, 2.0);
        pace.spend(now);
        let later = now + Duration::from_hours(1);
        pace.spend(later);
        pace.spend(later);
        assert!(pace.wait(later) > Duration::ZERO);
    }
}
