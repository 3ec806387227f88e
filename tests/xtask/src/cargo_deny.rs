//! cargo-deny, which holds the dependencies to `.cargo/deny.toml`: licences, sources, one cryptography library.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::build::cargo;
use crate::run::{run, run_download};
use crate::workspace;

const VERSION: &str = "0.20.2";

/// The tool in the user's cache; built there the first time, which takes minutes.
pub fn ensure() -> Result<PathBuf> {
    let folder = workspace::cache()?.join("tools").join(format!("cargo-deny-{VERSION}"));
    let tool = folder.join("bin/cargo-deny");
    if !tool.is_file() {
        eprintln!("cargo-deny {VERSION} is built once, which takes minutes");
        run_download(&mut installation(&folder)?)?;
    }
    Ok(tool)
}

fn installation(folder: &Path) -> Result<Command> {
    let mut command = cargo()?;
    command.args(["install", "cargo-deny", "--version", VERSION, "--locked", "--root"]).arg(folder);
    // It runs for seconds: it is the building that must be quick.
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    // Otherwise its dependencies would be left in the target folder shared by all checkouts.
    command.env_remove("CARGO_TARGET_DIR");
    Ok(command)
}

pub fn check(tool: &Path) -> Result<()> {
    let mut command = Command::new(tool);
    command.current_dir(workspace::root()?).args(["--workspace", "--locked", "--config", ".cargo/deny.toml"]);
    run(command.args(["check", "bans", "licenses", "sources"]))
}
