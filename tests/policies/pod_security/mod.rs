//! Pod security in the real engine against the upstream evaluator on random pods: the names of the checks that fail, at
//! each level and version. `cargo test` takes a few thousand pods; `cargo xtask pod-security --pods 1000000` takes more.

mod chance;
mod evaluators;
mod pods;
mod values;

use std::env;
use std::time::Instant;

use chance::Chance;
use evaluators::{Ours, Upstream};

/// How many pods are judged by one process of ours, whose input is bounded.
const BATCH: usize = 5_000;

/// Few enough for a test of some seconds.
const SAMPLE: usize = 4_000;

fn number(variable: &str, otherwise: usize) -> usize {
    env::var(variable).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable}: {text:?}")))
}

#[test]
fn the_checks_that_fail_on_random_pods_are_those_that_upstream_names() {
    let Some(mut upstream) = Upstream::start() else { return };
    let ours = Ours::new();
    let count = number("BYLAW_TEST_PODS", SAMPLE);
    let seed = number("BYLAW_TEST_SEED", 1);
    let mut chance = Chance::new(u64::try_from(seed).unwrap());
    let begun = Instant::now();
    let mut tally = Tally::default();
    for done in (0..count).step_by(BATCH) {
        let pods: Vec<String> =
            (done..count.min(done + BATCH)).map(|_| pods::random(&mut chance).to_string()).collect();
        let (expected, told) = std::thread::scope(|scope| {
            let expected = scope.spawn(|| upstream.judge(&pods));
            let told = ours.judge(&pods);
            (expected.join().unwrap(), told)
        });
        assert_eq!((expected.len(), told.len()), (pods.len(), pods.len()));
        for ((pod, expected), told) in pods.iter().zip(&expected).zip(&told) {
            assert_eq!(told, expected, "seed {seed}: {pod}");
            tally.take(expected);
        }
        if count > SAMPLE {
            println!("{} of {count} pods, no difference, {:.0?}", done + pods.len(), begun.elapsed());
        }
    }
    println!("{count} pods, seed {seed}: no difference. {}", tally.told());
    // A generator that stopped reaching a check would make a comparison that says nothing.
    tally.check(count);
}

/// How many pods failed each check somewhere, and how many were within the restricted level.
#[derive(Default)]
struct Tally {
    failed: std::collections::BTreeMap<String, usize>,
    clean: usize,
}

impl Tally {
    fn take(&mut self, answer: &str) {
        let checks = answer.split(' ').filter_map(|part| part.split_once(':')).flat_map(|(_, names)| names.split(','));
        let checks: std::collections::BTreeSet<&str> = checks.filter(|name| !name.is_empty()).collect();
        self.clean += usize::from(checks.is_empty());
        for check in checks {
            *self.failed.entry(check.to_owned()).or_default() += 1;
        }
    }

    fn told(&self) -> String {
        format!("{} within every level; failed by check: {:?}", self.clean, self.failed)
    }

    fn check(&self, count: usize) {
        assert_eq!(self.failed.len(), 19, "every check there is: {}", self.told());
        let least = self.failed.values().min().copied().unwrap_or_default();
        assert!(least.min(self.clean) > count / 200, "one in two hundred of each: {}", self.told());
    }
}
