//! One round: every case once, in random order, two at a time, on servers that are replaced when they are spent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::case::Case;
use super::load::{Load, Misses, Times};
use super::target::Target;

/// Cases under way at once.
const LANES: usize = 2;

/// How long an attack is under way when its neighbour asks.
const HEAD_START: Duration = Duration::from_millis(15);

/// The processor time of a run in rounds under load, of which there are many.
const HURRY: Duration = Duration::from_millis(250);

/// What a round was like.
#[derive(Default)]
pub struct Report {
    pub attacks: usize,
    pub servers: usize,
    pub lost_threads: u64,
    /// Every attack and how long its answer took.
    pub took: Vec<(Duration, String)>,
    /// Asked before, during and after each attack.
    pub neighbours: Times,
    /// Asked all the time.
    pub load: Times,
    /// Bytes of memory: before, at most, and after.
    pub baseline: u64,
    pub peak: u64,
    pub left: u64,
}

/// Runs the cases in their order. Servers come and go in order: a new one for what is left when the last one is spent.
pub fn run(cases: &[Case<'_>], loaded: bool, misses: &Misses) -> Report {
    let mut report = Report::default();
    let mut left = cases;
    let hurry = loaded.then_some(HURRY);
    while !left.is_empty() {
        let target = Target::start(cases, hurry);
        let stop = AtomicBool::new(!loaded);
        left = std::thread::scope(|scope| {
            let load = Load::start(scope, &target, &stop);
            let left = until_spent(&target, left, misses, &mut report);
            report.load.0.extend(load.finish().0);
            left
        });
        target.check_calm();
        report.servers += 1;
        report.lost_threads += target.lost_threads();
        report.baseline = target.baseline();
        report.left = target.memory();
        target.stop();
    }
    report
}

/// The cases that are left when the server has lost as many threads as it may.
fn until_spent<'a, 'c>(target: &Target, cases: &'a [Case<'c>], misses: &Misses, report: &mut Report) -> &'a [Case<'c>] {
    let mut left = cases;
    while let Some((group, rest)) = left.split_at_checked(LANES.min(left.len())).filter(|_| !left.is_empty()) {
        left = rest;
        let told: Vec<Told> = std::thread::scope(|scope| {
            let lanes: Vec<_> = group.iter().map(|case| scope.spawn(|| attack(target, case, misses))).collect();
            lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
        });
        for Told { neighbours, took } in told {
            report.neighbours.0.extend(neighbours.0);
            report.took.push(took);
        }
        report.attacks += group.len();
        report.peak = report.peak.max(target.memory());
        if target.is_spent() {
            break;
        }
    }
    left
}

struct Told {
    neighbours: Times,
    took: (Duration, String),
}

/// Runs one case, with a neighbour before, during and after it.
fn attack(target: &Target, case: &Case<'_>, misses: &Misses) -> Told {
    let mut times = Times::default();
    let mut longest = Duration::ZERO;
    let which = case.name.len();
    for run in 0..case.attack.runs {
        times.add(target.check_neighbour(which + run, &format!("before {}", case.name)));
        if case.attack.costs_a_thread {
            target.costly.fetch_add(1, Ordering::Relaxed);
        }
        let outcome = std::thread::scope(|scope| {
            let asked = scope.spawn(|| case.launch(target.server()));
            std::thread::sleep(HEAD_START);
            times.add(target.check_neighbour(which + run + 1, &format!("during {}", case.name)));
            asked.join().unwrap()
        });
        times.add(target.check_neighbour(which + run, &format!("after {}", case.name)));
        longest = longest.max(outcome.took);
        if let Err(miss) = case.check(&outcome, target.hurry) {
            misses.add(format!("{}: {miss}", case.name));
        }
    }
    Told { neighbours: times, took: (longest, case.name.clone()) }
}
