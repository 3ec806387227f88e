//! Attacks on the engine, one a file of `corpus`, against the real binary: each must come to the end its header tells,
//! in time, while a neighbour's answers stay what they were.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is nothing but tests"
)]

mod attack;
mod review;
#[path = "../support/server.rs"]
mod server;

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use attack::{Attack, Outcome};
use server::Server;

/// What a neighbour asks before, during and after each attack.
const NEIGHBOUR: &str = r#"
import { policy } from "@bylaw/sdk";
export default policy({
  name: "neighbour.example.com",
  match: { resources: ["pods"], objectSelector: { matchLabels: { neighbour: "true" } } },
  validate({ object, deny, warn }) {
    warn(`seen ${object.metadata.name}`);
    for (const [at, { image }] of object.spec.containers.entries()) {
      if (!image.includes("@")) deny(`${image} has no digest`, { field: `spec.containers[${at}].image` });
    }
  },
});
"#;

/// A neighbour never waits longer, whatever happens beside it.
const NEIGHBOUR_WITHIN: Duration = Duration::from_secs(3);

fn start(attacks: &[Attack]) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("neighbour.ts"), NEIGHBOUR).unwrap();
    for attack in attacks {
        attack.write(folder.path());
    }
    let server = Server::start(&["--policies", folder.path().to_str().unwrap()]);
    // A policy that was refused would let its review pass, and prove nothing.
    let log = server.log();
    assert!(!log.contains("serving_last_good"), "{log}");
    (server, folder)
}

/// The neighbour's answer, and that it came in time.
fn ask_neighbour(server: &Server) -> Value {
    let begun = Instant::now();
    let (status, answer) = server.post("/validate?timeout=10s", &review::of("neighbour"));
    assert!(begun.elapsed() < NEIGHBOUR_WITHIN, "the neighbour waited for {:?}\n{}", begun.elapsed(), server.log());
    assert_eq!(status, 200, "{answer}");
    answer["response"].clone()
}

#[test]
fn every_attack_comes_to_the_end_it_should_and_harms_nobody() {
    let attacks = Attack::all();
    assert!(attacks.len() >= 30, "only {} attacks", attacks.len());
    let (server, _folder) = start(&attacks);
    let before = ask_neighbour(&server);
    assert_eq!(before["allowed"], false);

    let mut misses = Vec::new();
    for attack in &attacks {
        let (outcome, during) = std::thread::scope(|scope| {
            let asked = scope.spawn(|| attack.launch(&server));
            std::thread::sleep(Duration::from_millis(15));
            let during = ask_neighbour(&server);
            (asked.join().unwrap(), during)
        });
        assert_eq!(during, before, "during {}", attack.name);
        assert_eq!(ask_neighbour(&server), before, "after {}", attack.name);
        if let Err(miss) = attack.check(&outcome) {
            misses.push(format!("{}: {miss}", attack.name));
        }
    }
    assert!(misses.is_empty(), "\n  {}\n{}", misses.join("\n  "), server.log());
    let (status, report) = server.get(server.health_url());
    assert_eq!(status, 200, "{report}");
}

/// What is a matter of a race shows when attacks meet.
#[test]
fn attacks_at_the_same_time_come_to_the_same_ends() {
    let attacks: Vec<Attack> = Attack::all().into_iter().filter(|attack| !attack.costs_a_thread).collect();
    let (server, _folder) = start(&attacks);
    let before = ask_neighbour(&server);
    for group in attacks.chunks(4) {
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let asked: Vec<_> = group.iter().map(|attack| scope.spawn(|| attack.launch(&server))).collect();
            asked.into_iter().map(|one| one.join().unwrap()).collect()
        });
        for (attack, outcome) in group.iter().zip(&outcomes) {
            attack.check_contained(outcome).unwrap_or_else(|miss| panic!("{}: {miss}", attack.name));
        }
        assert_eq!(ask_neighbour(&server), before);
    }
}
