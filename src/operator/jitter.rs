//! A little chance in times, so that replicas do not all come at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Any number, another one each time.
pub(super) fn random() -> u32 {
    u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or_default()
}

/// A time, shortened by up to a fifth.
pub(super) fn shortened(time: Duration) -> Duration {
    time.mul_f64(1.0 - f64::from(random()) / f64::from(u32::MAX) / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shortened_by_a_fifth_at_most_and_not_all_alike() {
        let second = Duration::from_secs(1);
        let times: Vec<Duration> = (0..100).map(|_| shortened(second)).collect();
        assert!(times.iter().all(|time| *time <= second && *time >= second.mul_f64(0.79)));
        assert!(times.iter().any(|time| *time != times[0]));
    }
}
