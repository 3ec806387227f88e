//! The TypeScript SDK's tools: npm in `sdk-ts`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use anyhow::Result;

use crate::prerequisite::Missing;
use crate::run::{is_installed, run_download};
use crate::workspace;

/// Installs the locked modules unless those there are newer than the lock file. No package's own script is run.
pub fn ensure_modules() -> Result<()> {
    if !is_installed("npm", "--version") {
        return Err(Missing("Node with npm, for the TypeScript SDK: https://nodejs.org".to_owned()).into());
    }
    // npm writes the first of these last of all, so that an interrupted installation is done again.
    let [installed, locked] = [changed("node_modules/.package-lock.json")?, changed("package-lock.json")?];
    if installed.is_some() && installed >= locked {
        return Ok(());
    }
    run_download(npm()?.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
}

/// npm in the SDK's folder.
pub fn npm() -> Result<Command> {
    let mut command = Command::new("npm");
    command.current_dir(folder()?);
    Ok(command)
}

fn folder() -> Result<PathBuf> {
    Ok(workspace::root()?.join("sdk-ts"))
}

fn changed(file: &str) -> Result<Option<SystemTime>> {
    let file = folder()?.join(file);
    Ok(fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
}
