//! Attacks on the engine, one a file of `corpus`, against the real binary over real TLS: each must come to the end its
//! header tells, in time, while its neighbours' answers stay what they were, in each form and failure mode.
//!
//! `cargo test` runs a part of it once. `cargo xtask hostile --rounds 100` runs all of it, again and again, in random order
//! under a background load; `--minutes 30` mixes attacks into a load for that long.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is nothing but tests"
)]

mod attack;
mod case;
mod load;
mod plan;
mod review;
mod round;
#[path = "../support/server.rs"]
mod server;
mod soak;
mod target;

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use attack::{Attack, End};
use case::Case;
use load::Misses;
use plan::{Chance, Plan};
use target::Target;

/// A bundle has a second to load, and one that holds its thread costs the patience of the inspection as well.
const LOADED_WITHIN: Duration = Duration::from_secs(20);

/// The attacks that can be run here, of those that were asked for.
fn attacks(plan: &Plan) -> Vec<Attack> {
    let mut attacks = Attack::all();
    assert!(attacks.len() >= 30, "only {} attacks", attacks.len());
    attacks.retain(|attack| plan.wants(&attack.name));
    attacks
}

/// Those that are never put in force, and the others.
fn by_loading(attacks: Vec<Attack>) -> (Vec<Attack>, Vec<Attack>) {
    attacks.into_iter().partition(|attack| matches!(attack.as_module, Some(End::NoPolicy(_))))
}

/// One form of each attack, another each time.
fn sampled<'a>(attacks: &'a [Attack], chance: &mut Chance) -> Vec<Case<'a>> {
    let mut one_of = |mut forms: Vec<Case<'a>>| forms.swap_remove(chance.below(forms.len()));
    attacks.iter().map(Case::of).map(&mut one_of).collect()
}

#[test]
fn every_attack_comes_to_the_end_it_should_and_harms_nobody() {
    let plan = Plan::of_environment();
    let mut chance = Chance::new(plan.seed);
    let (_, attacks) = by_loading(attacks(&plan));
    let misses = Misses::default();
    println!("{} attacks, seed {}", attacks.len(), plan.seed);
    for round in 0..plan.rounds.unwrap_or(1) {
        let begun = Instant::now();
        let mut cases = sampled(&attacks, &mut chance);
        chance.shuffle(&mut cases);
        let mut report = round::run(&cases, plan.rounds.is_some(), &misses);
        println!(
            "round {}: {} attacks in {:.1?} on {} servers, {} threads lost; memory {} MiB before, {} at most, {} after\n  \
             neighbours: {}\n  load: {}",
            round + 1,
            report.attacks,
            begun.elapsed(),
            report.servers,
            report.lost_threads,
            report.baseline >> 20,
            report.peak >> 20,
            report.left >> 20,
            report.neighbours.summary(),
            report.load.summary()
        );
        report.took.sort();
        let slowest = report.took.iter().rev().take(8).map(|(took, name)| format!("{name} {took:.1?}"));
        println!("  slowest: {}", slowest.collect::<Vec<_>>().join(", "));
        assert!(misses.is_empty(), "seed {}, round {}:\n  {}", plan.seed, round + 1, misses.listed());
    }
}

/// Put into the folder of a server at work: none of them comes in force, each is told of, and nobody waits for them.
#[test]
fn a_policy_that_attacks_while_it_is_loaded_is_refused_and_harms_nobody() {
    let (attacks, _) = by_loading(attacks(&Plan::of_environment()));
    let target = Target::start(&[], None);
    let mut inspections = 0;
    for attack in &attacks {
        let Some(End::NoPolicy(why)) = &attack.as_module else { continue };
        let case = Case::of(attack).remove(0);
        let mark = target.server().log_length();
        case.write(target.folder());
        let deadline = Instant::now() + LOADED_WITHIN;
        let told = loop {
            target.check_neighbour(case.name.len(), &format!("while {} is loaded", case.name));
            let log = target.server().log();
            let fresh = log.get(mark..).unwrap_or_default();
            // What was found wrong before is told again with each load.
            let mut errors = fresh.split(" ERROR ").skip(1).filter(|error| error.contains("serving_last_good"));
            let names_it = |error: &&str| error.lines().next().is_some_and(|line| line.contains(&case.file()));
            if let Some(told) = errors.find(names_it) {
                break told.to_owned();
            }
            assert!(Instant::now() < deadline, "{} is not told of:\n{log}", case.name);
            sleep(Duration::from_millis(20));
        };
        assert!(why.iter().any(|why| told.contains(why)), "{}: {told}", case.name);
        // The inspection thread that it cost is none of those that the server counts.
        inspections += u64::from(attack.costs_a_thread);
        // One hostile file at a time, or each load would try all of them again.
        fs::remove_file(target.folder().join(case.file())).unwrap();
    }
    target.check_calm_but_for(inspections);
    assert!(!target.is_spent());
    target.stop();
}

#[test]
#[ignore = "goes on for as long as it is told: cargo xtask hostile --minutes 30"]
fn a_soak_under_mixed_load_and_attacks_loses_nothing() {
    let plan = Plan::of_environment();
    let (_, attacks) = by_loading(attacks(&plan));
    let misses = Misses::default();
    println!("{} attacks, seed {}, {:?}", attacks.len(), plan.seed, plan.soak);
    let report = soak::run(&attacks, &mut Chance::new(plan.seed), plan.soak, &misses);
    for (name, count) in &report.attacks {
        println!("  {count:>5}  {name}");
    }
    println!("load: {}", report.load.summary());
    println!(
        "{} servers, {} threads lost, memory at most {} MiB",
        report.servers,
        report.lost_threads,
        report.peak >> 20
    );
    for slope in &report.slopes {
        println!("memory: {:+.1} MiB an hour", slope / f64::from(1 << 20));
    }
    assert!(misses.is_empty(), "seed {}:\n  {}", plan.seed, misses.listed());
}
