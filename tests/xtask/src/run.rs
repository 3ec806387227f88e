//! Running other programs: shown as typed, an exit status other than 0 is an error.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::prerequisite::{self, Missing};

/// Runs the command with its output shown.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = announce(command);
    let status = command.status().with_context(|| format!("`{shown}` does not start"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// Runs the command with its output shown and each line of standard output given to `see`. Returns whether it succeeded.
pub fn run_watched(command: &mut Command, mut see: impl FnMut(&str)) -> Result<bool> {
    let shown = announce(command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("`{shown}` does not start"))?;
    let output = child.stdout.take().context("no standard output")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        see(&line);
    }
    Ok(child.wait()?.success())
}

/// Runs a command that downloads. Without a network it fails as [`Missing`], not as a mistake of ours.
pub fn run_download(command: &mut Command) -> Result<()> {
    let shown = announce(command);
    let output = command.stdout(Stdio::null()).output().with_context(|| format!("`{shown}` does not start"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    if prerequisite::blames_network(&errors) {
        // The same for every package, otherwise.
        let errors = errors.lines().take(5).collect::<Vec<_>>().join("\n");
        return Err(Missing(format!("the network, for `{shown}`:\n{errors}")).into());
    }
    bail!("`{shown}` failed ({}):\n{errors}", output.status)
}

/// Whether the program is installed: `argument` asks for its version.
pub fn is_installed(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn announce(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    let shown = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    eprintln!("> {shown}");
    shown
}
