//! The checklist in `README.md` names tests: each must be there, and be a test.

use std::fs;
use std::path::{Path, PathBuf};

/// The rows of its tables, without their heads.
fn rows() -> Vec<String> {
    let (_, checklist) = include_str!("README.md").split_once("## Checklist").expect("there is a checklist");
    let is_row = |line: &&str| line.starts_with("| ") && !line.ends_with("| tests |");
    checklist.lines().filter(is_row).map(str::to_owned).collect()
}

/// The names between backticks in the last cell.
fn named(row: &str) -> Vec<&str> {
    let cell = row.trim_end_matches(['|', ' ']).rsplit(" | ").next().unwrap_or_default();
    cell.split('`').skip(1).step_by(2).collect()
}

/// Where the tests of a module may be.
fn sources(binary: &str, modules: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let base = if binary == "lib" { root.join("src") } else { root.join("tests").join(binary) };
    let path = modules.iter().fold(base, |path, module| path.join(module));
    let ends = [".rs", "/mod.rs", "_tests.rs", "/tests.rs", "/tests/mod.rs"];
    ends.iter().map(|end| PathBuf::from(format!("{}{end}", path.display()))).collect()
}

fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = [format!("fn {name}("), format!("async fn {name}(")];
    let at = lines.iter().position(|line| head.iter().any(|head| line.starts_with(head)));
    at.is_some_and(|at| {
        let before = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
        before.copied().any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

fn is_there(test: &str) -> bool {
    let Some((binary, path)) = test.split_once(' ') else { return false };
    let parts: Vec<&str> = path.split("::").collect();
    match (binary, parts.as_slice()) {
        // A test for each file of cases.
        ("jspolicy", [name]) => sources("jspolicy/cases", &[&name.replace('_', "-")])
            .iter()
            .any(|path| path.with_extension("yaml").is_file()),
        ("jspolicy" | "e2e" | "serve" | "lib", [modules @ .., name]) => sources(binary, modules)
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .any(|text| is_test(&text, name)),
        _ => false,
    }
}

#[test]
fn every_line_names_tests_that_are_there() {
    let rows = rows();
    assert!(rows.len() > 40, "lines are missing: {}", rows.len());
    for row in &rows {
        let named = named(row);
        assert!(!named.is_empty(), "no test is named: {row}");
        let missing: Vec<&str> = named.into_iter().filter(|test| !is_there(test)).collect();
        assert!(missing.is_empty(), "there is no {missing:?}: {row}");
    }
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    for test in
        ["jspolicy nothing", "e2e operator::takeover::store_broken", "lib crd::check::faults", "e2e", "other a::b"]
    {
        assert!(!is_there(test), "{test}");
    }
}
