//! A histogram whose recording is two relaxed atomic adds: no lock, no label look-up.
//!
//! prometheus-client's own histogram takes a lock per observation; on a path of some microseconds shared by all
//! worker threads that lock would be the most expensive thing measured.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;

/// Upper bounds in nanoseconds. From one millisecond on they are exactly jsPolicy's, so that one recording can be
/// shown both under its name and under ours; below, what an evaluation here really takes.
pub(super) const EVALUATION_BOUNDS: &[u64] = &[
    5 * MICRO,
    10 * MICRO,
    25 * MICRO,
    50 * MICRO,
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    5 * MILLI,
    10 * MILLI,
    50 * MILLI,
    100 * MILLI,
    150 * MILLI,
    200 * MILLI,
    250 * MILLI,
    300 * MILLI,
    350 * MILLI,
    400 * MILLI,
    450 * MILLI,
    500 * MILLI,
    600 * MILLI,
    700 * MILLI,
    800 * MILLI,
    900 * MILLI,
    1_000 * MILLI,
    1_250 * MILLI,
    1_500 * MILLI,
    1_750 * MILLI,
    2_000 * MILLI,
    2_500 * MILLI,
    3_000 * MILLI,
    3_500 * MILLI,
    4_000 * MILLI,
    4_500 * MILLI,
    5_000 * MILLI,
    6_000 * MILLI,
    7_000 * MILLI,
    8_000 * MILLI,
    9_000 * MILLI,
    10_000 * MILLI,
    15_000 * MILLI,
    20_000 * MILLI,
    25_000 * MILLI,
    30_000 * MILLI,
    40_000 * MILLI,
    50_000 * MILLI,
    60_000 * MILLI,
];

/// The bounds shown by `bylaw_evaluation_duration_seconds` and used by `bylaw_review_duration_seconds`; all of them
/// stand in [`EVALUATION_BOUNDS`].
pub(super) const SHOWN_BOUNDS: &[u64] = &[
    5 * MICRO,
    10 * MICRO,
    25 * MICRO,
    50 * MICRO,
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    5 * MILLI,
    10 * MILLI,
    50 * MILLI,
    100 * MILLI,
    250 * MILLI,
    500 * MILLI,
    1_000 * MILLI,
    2_500 * MILLI,
    5_000 * MILLI,
    10_000 * MILLI,
    30_000 * MILLI,
];

/// How many of [`EVALUATION_BOUNDS`] are finer than jsPolicy's first one.
pub(super) const BELOW_JSPOLICY: usize = 7;

/// Durations counted by bucket.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than `bounds`: the last counts what is beyond all of them.
    counts: Box<[AtomicU64]>,
    sum_nanos: AtomicU64,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum_nanos: AtomicU64::new(0) }
    }

    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < nanos);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum_nanos.fetch_add(nanos, Relaxed);
    }

    /// What was counted, folded into coarser `bounds`, each of which must be a bound of this histogram.
    pub(super) fn folded(&self, bounds: &[u64]) -> Folded {
        let mut buckets: Vec<(f64, u64)> = bounds.iter().map(|bound| (seconds(*bound), 0)).collect();
        buckets.push((f64::INFINITY, 0));
        let mut total = 0;
        for (index, count) in self.counts.iter().enumerate() {
            let count = count.load(Relaxed);
            total += count;
            let bound = self.bounds.get(index).copied().unwrap_or(u64::MAX);
            let target = bounds.partition_point(|shown| *shown < bound);
            if let Some(bucket) = buckets.get_mut(target) {
                bucket.1 += count;
            }
        }
        Folded { sum: seconds(self.sum_nanos.load(Relaxed)), count: total, buckets }
    }
}

/// A histogram as the exposition format wants it: seconds, and counts per bucket (not yet cumulative).
pub(super) struct Folded {
    pub sum: f64,
    pub count: u64,
    pub buckets: Vec<(f64, u64)>,
}

/// Exact up to 104 days, and a bound's decimal text stays the one people write (`0.05`).
#[allow(clippy::cast_precision_loss, reason = "a metric's sum loses nanoseconds after 104 days, nothing else")]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shown_bound_is_a_recorded_one() {
        for bound in SHOWN_BOUNDS {
            assert!(EVALUATION_BOUNDS.contains(bound), "{bound}");
        }
        assert_eq!(EVALUATION_BOUNDS[BELOW_JSPOLICY], MILLI);
        assert_eq!(EVALUATION_BOUNDS.len() - BELOW_JSPOLICY, 40, "jsPolicy has forty buckets");
        assert!(EVALUATION_BOUNDS.is_sorted() && SHOWN_BOUNDS.is_sorted());
    }

    #[test]
    fn a_duration_on_a_bound_counts_below_it() {
        let histogram = Histogram::new(&[10, 20]);
        for nanos in [10, 11, 20, 21] {
            histogram.record(Duration::from_nanos(nanos));
        }
        let counts: Vec<u64> = histogram.folded(&[10, 20]).buckets.iter().map(|bucket| bucket.1).collect();
        assert_eq!(counts, [1, 2, 1]);
    }

    #[test]
    fn folding_keeps_count_and_sum() {
        let histogram = Histogram::new(EVALUATION_BOUNDS);
        for micros in [1, 7, 70, 700, 7_000, 70_000, 700_000, 7_000_000, 70_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        for bounds in [SHOWN_BOUNDS, &EVALUATION_BOUNDS[BELOW_JSPOLICY..], EVALUATION_BOUNDS] {
            let folded = histogram.folded(bounds);
            assert_eq!(folded.count, 9);
            assert_eq!(folded.buckets.iter().map(|bucket| bucket.1).sum::<u64>(), 9);
            assert!((folded.sum - 77.777_778).abs() < 1e-6, "{}", folded.sum);
            assert_eq!(
                folded.buckets.last().map(|bucket| bucket.1),
                Some(u64::from(bounds != SHOWN_BOUNDS) + u64::from(bounds == SHOWN_BOUNDS))
            );
        }
        let jspolicy = histogram.folded(&EVALUATION_BOUNDS[BELOW_JSPOLICY..]);
        assert_eq!(jspolicy.buckets.first(), Some(&(0.001, 4)), "everything below a millisecond falls into its first");
    }
}
