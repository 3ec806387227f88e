//! `cargo xtask lint`: every check runs, so that one call shows all there is to mend.

use anyhow::{Result, bail};

use crate::build::{Cargo, cargo};
use crate::prerequisite::or_skip;
use crate::run::run as execute;
use crate::{cargo_deny, node, source_rules};

type Check = (&'static str, fn(&Cargo) -> Result<()>);

const CHECKS: [Check; 5] = [
    ("formatting", formatting),
    ("clippy", clippy),
    ("dependency rules", dependency_rules),
    ("source rules", source_rules),
    ("TypeScript", typescript),
];

pub fn run() -> Result<()> {
    let cargo = Cargo::with_v8()?;
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        if let Err(error) = check(&cargo) {
            eprintln!("{name}: {error:#}");
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("lint failed: {}", failed.join(", "));
    }
    Ok(())
}

fn formatting(_: &Cargo) -> Result<()> {
    execute(cargo()?.args(["fmt", "--all", "--check"]))
}

/// The release profile: what the tests compiled is used again.
fn clippy(cargo: &Cargo) -> Result<()> {
    cargo.run(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn dependency_rules(_: &Cargo) -> Result<()> {
    match or_skip("dependency rules", cargo_deny::ensure())? {
        Some(tool) => cargo_deny::check(&tool),
        None => Ok(()),
    }
}

fn source_rules(_: &Cargo) -> Result<()> {
    source_rules::check()
}

fn typescript(_: &Cargo) -> Result<()> {
    match or_skip("TypeScript", node::ensure_modules())? {
        Some(()) => execute(node::npm()?.args(["run", "lint"])),
        None => Ok(()),
    }
}
