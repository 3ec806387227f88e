//! Every case of every starter policy, played by `bylaw test`. And what policies stand on, in the same engine: npm packages,
//! the Pod Security Standards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is nothing but tests"
)]

mod packages;
mod pod_security;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The suites of the policies in a folder, as `bylaw test -o json` tells them.
fn suites(of: &str) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
    command.args(["test", "-p", of, "-o", "json"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    let results: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no results: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(output.status.success(), results["failed"] == 0);
    results["suites"].as_array().unwrap().clone()
}

fn cases(suite: &Value) -> &[Value] {
    suite["cases"].as_array().unwrap()
}

#[test]
fn every_case_of_every_policy_holds() {
    assert_hold(&suites("policies"));
}

/// The same cases hold in the SDK's fakes: `sdk-ts/test/corpus.test.ts`.
#[test]
fn every_case_of_the_corpus_that_the_fakes_share_holds() {
    let suites = suites("tests/policies/corpus");
    assert!(suites.iter().map(|suite| cases(suite).len()).sum::<usize>() > 80);
    assert_hold(&suites);
}

#[track_caller]
fn assert_hold(suites: &[Value]) {
    let missed = suites.iter().flat_map(cases).filter(|case| case["passed"] != true);
    let missed: Vec<String> = missed.map(|case| format!("{}: {}", case["name"], case["misses"])).collect();
    assert!(missed.is_empty(), "\n  {}", missed.join("\n  "));
}

#[test]
fn every_policy_has_a_case_that_it_lets_pass_and_one_that_it_does_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let suites = suites("policies");
    let folders = std::fs::read_dir(root).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(suites.len(), folders, "every policy has cases");
    for suite in &suites {
        let passes = |case: &Value| case["came"] == "allowed";
        let name = &suite["folder"];
        assert!(cases(suite).iter().any(passes), "{name} has no case that passes untouched");
        assert!(!cases(suite).iter().all(passes), "{name} has no case that it does anything about");
    }
}
