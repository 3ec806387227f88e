//! `cargo xtask pod-security`: random pods by ours and by the upstream evaluator, where `cargo test` takes a sample.

use anyhow::Result;

use crate::build::{Cargo, cargo};
use crate::options;
use crate::run::run as run_shown;
use crate::servers;

/// Names the program for the tests.
pub const PROGRAM_VARIABLE: &str = "BYLAW_TEST_POD_SECURITY";

const OPTIONS: [(&str, &str); 2] = [("--pods", "BYLAW_TEST_PODS"), ("--seed", "BYLAW_TEST_SEED")];

const TEST: &str = "pod_security::the_checks_that_fail_on_random_pods_are_those_that_upstream_names";

pub fn run(arguments: &[String]) -> Result<()> {
    let environment = options::environment(&OPTIONS, arguments)?;
    let with_v8 = Cargo::with_v8()?;
    let program = servers::ensure_pod_security()?;
    let mut tests = cargo()?;
    tests.args(["test", "--release", "--package", "bylaw", "--test", "policies", "--", TEST, "--exact", "--nocapture"]);
    with_v8.archive().explain(run_shown(tests.env(PROGRAM_VARIABLE, program).envs(environment)))
}
