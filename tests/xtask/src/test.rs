//! `cargo xtask test`: all set-up, then every runner to its end, then one closing line.

use std::process::Command;

use anyhow::{Result, anyhow};

use crate::build::{Cargo, cargo};
use crate::cluster::BIN_VARIABLE;
use crate::pod_security::PROGRAM_VARIABLE;
use crate::prerequisite::or_skip;
use crate::run::run_watched;
use crate::servers::{HELM_VARIABLE, VCLUSTER_VARIABLE};
use crate::tally::{self, Tally};
use crate::{node, servers};

/// `arguments` go to `cargo test`.
pub fn run(arguments: &[String]) -> Result<()> {
    let with_v8 = Cargo::with_v8()?;
    let servers = or_skip("the tests on a real API server", servers::ensure())?;
    let evaluator = or_skip("the comparison with upstream pod security", servers::ensure_pod_security())?;
    let helm = or_skip("the tests of the chart", servers::ensure_helm())?;
    let vcluster = or_skip("the tests with virtual clusters", servers::ensure_vcluster())?;
    let modules = or_skip("the tests of the TypeScript SDK", node::ensure_modules())?;

    let mut rust = cargo()?;
    rust.args(["test", "--release", "--workspace", "--no-fail-fast"]).args(arguments);
    if let Some(folder) = &servers {
        rust.env(BIN_VARIABLE, folder);
    }
    if let Some(program) = evaluator {
        rust.env(PROGRAM_VARIABLE, program);
    }
    if let Some(program) = helm {
        rust.env(HELM_VARIABLE, program);
    }
    if let Some(program) = vcluster {
        rust.env(VCLUSTER_VARIABLE, program);
    }
    let mut reports = vec![watch("cargo test", &mut rust, tally::of_cargo)?];
    if modules.is_some() {
        let mut npm = node::npm()?;
        // The committed types of Kubernetes are compared with the server's own.
        if let Some(folder) = &servers {
            npm.env(BIN_VARIABLE, folder);
        }
        reports.push(watch("npm test", npm.arg("test"), tally::of_vitest)?);
    }

    if let Some(total) = total(&reports) {
        println!("{} passed, {} failed", total.passed, total.failed);
    }
    let failed: Vec<&str> = reports.iter().filter(|report| !report.good).map(|report| report.name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    with_v8.archive().explain(Err(anyhow!("failed: {}", failed.join(", "))))
}

/// How one runner ended.
struct Report {
    name: &'static str,
    good: bool,
    /// What its closing lines add up to; none if it never came to one, as when the tests do not compile.
    tally: Option<Tally>,
}

fn watch(name: &'static str, command: &mut Command, read: fn(&str) -> Option<Tally>) -> Result<Report> {
    let mut tally = None;
    // The closing lines are read here, so they must come without colours.
    let good = run_watched(command.env("NO_COLOR", "1"), |line| {
        if let Some(counts) = read(line) {
            *tally.get_or_insert_with(Tally::default) += counts;
        }
    })?;
    Ok(Report { name, good, tally })
}

/// None unless it would be true: a runner that failed without a failed test has run only a part, or nothing.
fn total(reports: &[Report]) -> Option<Tally> {
    let mut total = Tally::default();
    for report in reports {
        let tally = report.tally?;
        if report.good != (tally.failed == 0) {
            return None;
        }
        total += tally;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(good: bool, tally: Option<(u64, u64)>) -> Report {
        Report { name: "some runner", good, tally: tally.map(|(passed, failed)| Tally { passed, failed }) }
    }

    #[test]
    fn the_total_is_the_sum_of_all_runners() {
        let total = total(&[report(true, Some((40, 0))), report(false, Some((7, 2)))]);
        assert_eq!(total, Some(Tally { passed: 47, failed: 2 }));
    }

    #[test]
    fn there_is_no_total_that_would_be_untrue() {
        assert_eq!(total(&[report(true, Some((40, 0))), report(false, None)]), None);
        assert_eq!(total(&[report(false, Some((40, 0)))]), None);
    }
}
