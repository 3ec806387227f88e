//! Every case of every starter policy, judged by the engine that serves: `bylaw review` on the policy's folder.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is nothing but tests"
)]

mod case;
#[path = "../jspolicy/json_patch.rs"]
mod json_patch;
mod packages;

use std::fs;
use std::path::{Path, PathBuf};

use case::Case;

fn policies() -> Vec<PathBuf> {
    folders("policies")
}

fn folders(of: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(of);
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn cases(policy: &Path) -> Vec<Case> {
    let Ok(entries) = fs::read_dir(policy.join("cases")) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| Case::read(file)).collect()
}

#[test]
fn every_case_of_every_policy_holds() {
    assert_holds(&policies());
}

/// The same cases hold in the SDK's fakes: `sdk-ts/test/corpus.test.ts`.
#[test]
fn every_case_of_the_corpus_that_the_fakes_share_holds() {
    let corpus = folders("tests/policies/corpus");
    assert!(corpus.iter().map(|topic| cases(topic).len()).sum::<usize>() > 80);
    assert_holds(&corpus);
}

#[track_caller]
fn assert_holds(policies: &[PathBuf]) {
    let mut misses = Vec::new();
    for policy in policies {
        for case in cases(policy) {
            if let Err(miss) = case.judge(policy) {
                misses.push(format!("{}: {}: {miss}", policy.file_name().unwrap().display(), case.name));
            }
        }
    }
    assert!(misses.is_empty(), "\n  {}", misses.join("\n  "));
}

#[test]
fn every_policy_has_a_case_that_it_lets_pass_and_one_that_it_does_not() {
    for policy in policies() {
        let cases = cases(&policy);
        let name = policy.file_name().unwrap().display();
        assert!(cases.iter().any(Case::passes_untouched), "{name} has no case that passes untouched");
        assert!(!cases.iter().all(Case::passes_untouched), "{name} has no case that it does anything about");
    }
}
