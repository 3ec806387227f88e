//! Half an hour of a mixed benign load and attacks at random: no reply is lost, no verdict is wrong, memory stays flat.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::attack::Attack;
use super::case::Case;
use super::load::{Load, Misses, Times};
use super::plan::Chance;
use super::target::Target;

/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Samples of a server's youth, in which isolates grow to their size.
const YOUTH: usize = 12;
/// What an hour may add to the memory of a server that lost no thread.
const MOST_AN_HOUR: f64 = 64.0 * 1024.0 * 1024.0;
/// Samples below which a slope says nothing.
const ENOUGH: usize = 60;

/// What a soak was like.
#[derive(Default)]
pub struct Report {
    pub attacks: BTreeMap<String, usize>,
    pub servers: usize,
    pub lost_threads: u64,
    pub load: Times,
    /// Bytes an hour, of each server that lived long enough to tell.
    pub slopes: Vec<f64>,
    pub peak: u64,
}

pub fn run(attacks: &[Attack], chance: &mut Chance, length: Duration, misses: &Misses) -> Report {
    let cases: Vec<Case<'_>> = attacks.iter().flat_map(Case::of).collect();
    let end = Instant::now() + length;
    let mut report = Report::default();
    while Instant::now() < end {
        let target = Target::start(&cases, None);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let load = Load::start(scope, &target, &stop);
            attack_until(end, &target, &cases, chance, misses, &mut report);
            report.load.0.extend(load.finish().0);
        });
        target.check_calm();
        report.servers += 1;
        report.lost_threads += target.lost_threads();
        target.stop();
    }
    report
}

/// One attack after the other, until it is time or the server is spent.
fn attack_until(
    end: Instant,
    target: &Target,
    cases: &[Case<'_>],
    chance: &mut Chance,
    misses: &Misses,
    report: &mut Report,
) {
    let mut samples = Vec::new();
    let begun = Instant::now();
    let mut next_sample = begun;
    while Instant::now() < end && !target.is_spent() {
        let case = &cases[chance.below(cases.len())];
        if case.attack.costs_a_thread {
            target.costly.fetch_add(1, Ordering::Relaxed);
        }
        let outcome = case.launch(target.server());
        if let Err(miss) = case.check_again(&outcome) {
            misses.add(format!("{}: {miss}", case.name));
        }
        *report.attacks.entry(case.name.clone()).or_default() += 1;
        report.peak = report.peak.max(target.memory());
        if Instant::now() >= next_sample {
            next_sample += SAMPLE_EVERY;
            samples.push((begun.elapsed().as_secs_f64() / 3600.0, corrected(target)));
        }
        std::thread::sleep(Duration::from_millis(u64::try_from(chance.below(400)).unwrap()));
    }
    if samples.len() >= YOUTH + ENOUGH {
        let slope = slope(&samples[YOUTH..]);
        report.slopes.push(slope);
        if slope > MOST_AN_HOUR {
            misses.add(format!("memory grows by {:.0} MiB an hour", slope / f64::from(1 << 20)));
        }
    }
}

/// Bytes of memory, without what lost threads keep.
#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn corrected(target: &Target) -> f64 {
    target.memory().saturating_sub(target.kept_by_lost_threads()) as f64
}

/// Of the straight line through the lower half of each minute's samples: attacks under way only ever add.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let floor: Vec<(f64, f64)> =
        samples.chunks(12).filter_map(|chunk| chunk.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))).collect();
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    let count = floor.len() as f64;
    let (x, y) = floor.iter().fold((0.0, 0.0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
    let (x, y) = (x / count, y / count);
    let (top, bottom) =
        floor.iter().fold((0.0, 0.0), |sum, at| (sum.0 + (at.0 - x) * (at.1 - y), sum.1 + (at.0 - x).powi(2)));
    if bottom == 0.0 { 0.0 } else { top / bottom }
}

#[test]
fn a_slope_is_that_of_the_floor() {
    let samples: Vec<(f64, f64)> = (0..120)
        .map(|at| (f64::from(at), 100.0 + 3.0 * f64::from(at) + if at % 12 == 5 { 900.0 } else { 0.0 }))
        .collect();
    assert!((slope(&samples) - 3.0).abs() < 0.01, "{}", slope(&samples));
}
