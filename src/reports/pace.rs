//! How many writes there may be, whatever happens: some at once, and then one after each pause.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Writes in a minute that a flood leads to, over all replicas: the promise is that 100,000 denials make no more than 100.
/// With three replicas that is 25 for each, and [`BURST`] more in the first minute.
pub const WRITES_A_MINUTE: u32 = 25;

/// Writes that need not wait while it is quiet: a first violation is seen at once.
const BURST: u32 = 5;

/// One pace for everything that is written here.
#[derive(Debug)]
pub struct Pace {
    pause: Duration,
    /// When the writes so far would be over at one a pause; in the past while it is quiet.
    spent_until: Instant,
}

impl Pace {
    #[must_use]
    pub fn new(writes_a_minute: u32) -> Self {
        Self::since(Instant::now(), writes_a_minute)
    }

    /// Waits until there may be one more write, and counts it.
    pub async fn turn(&mut self) {
        sleep(self.count(Instant::now())).await;
    }

    fn since(now: Instant, writes_a_minute: u32) -> Self {
        Self { pause: Duration::from_mins(1) / writes_a_minute.max(1), spent_until: now }
    }

    /// Counts one more write that is wanted at `now`, and says how long it has to wait.
    fn count(&mut self, now: Instant) -> Duration {
        self.spent_until = self.spent_until.max(now) + self.pause;
        self.spent_until.duration_since(now).saturating_sub(self.pause * BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of so many writes is done, in milliseconds, where one is wanted as soon as the last one is.
    fn times(pace: &mut Pace, begun: Instant, writes: usize) -> Vec<u128> {
        let mut now = begun;
        let mut turn = |_| {
            now += pace.count(now);
            now.duration_since(begun).as_millis()
        };
        (0..writes).map(&mut turn).collect()
    }

    #[test]
    fn there_is_a_burst_and_then_one_after_each_pause() {
        let begun = Instant::now();
        let mut pace = Pace::since(begun, 60);
        assert_eq!(times(&mut pace, begun, 8), [0, 0, 0, 0, 0, 1_000, 2_000, 3_000]);
        let quiet = begun + Duration::from_mins(10);
        let after = times(&mut pace, quiet, 7);
        assert_eq!(after, [0, 0, 0, 0, 0, 1_000, 2_000], "a long quiet is no reason for a longer burst");
    }

    #[test]
    fn three_replicas_stay_within_a_hundred_writes_in_any_minute() {
        let begun = Instant::now();
        let times = times(&mut Pace::since(begun, WRITES_A_MINUTE), begun, 200);
        let most =
            times.iter().map(|from| times.iter().filter(|at| (from..=&(from + 60_000)).contains(at)).count()).max();
        assert!(most.unwrap() * 3 <= 100, "{most:?}");
    }
}
