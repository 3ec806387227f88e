//! Cargo with V8 made ready first.

use std::env;
use std::process::Command;

use anyhow::Result;

use crate::run::run;
use crate::v8::{self, Archive};
use crate::workspace;

pub struct Cargo {
    archive: Archive,
}

impl Cargo {
    /// Every command that compiles Bylaw starts here.
    pub fn with_v8() -> Result<Self> {
        Ok(Self::with_archive(v8::provide()?))
    }

    pub fn with_archive(archive: Archive) -> Self {
        Self { archive }
    }

    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Runs Cargo; a failure says what is known of V8 where that may be the reason.
    pub fn run(&self, arguments: &[&str]) -> Result<()> {
        self.archive.explain(run(cargo()?.args(arguments)))
    }
}

/// The Cargo that runs us, at the top of the checkout.
pub fn cargo() -> Result<Command> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root()?);
    Ok(command)
}
