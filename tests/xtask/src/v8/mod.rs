//! V8's static library. The `v8` crate's build script downloads it unless the file is already in that crate's own cache
//! under Cargo's home; here it is put there from wherever else it is to be had, and built from source where it is not.

mod build;
mod download;
mod machine;
mod record;
mod runner;
mod sources;
mod status;

use anyhow::{Result, bail};

use crate::build::Cargo;
use machine::{Machine, Places, Wishes};
use runner::Processes;

pub use sources::Archive;

const HELP: &str = "\
Usage: cargo xtask v8 [--status | --from-source] [--install]

Puts V8's static library where `cargo build` finds it: from RUSTY_V8_ARCHIVE, the v8 crate's cache, ../shared/v8,
upstream's releases (HTTPS_PROXY and RUSTY_V8_MIRROR are heeded), or else built from source.

  --status       say what is there, from where, with which checksum; exit 1 if there is nothing to build with
  --from-source  build V8 even where it could be downloaded; goes on where it was interrupted
  --install      as root on Debian and its kin, install missing packages instead of unpacking them into the cache (as
                 CI=true does)

With BYLAW_V8_FROM_SOURCE=never nothing builds V8 by itself.

Example: cargo xtask v8 --status
";

/// Puts the library in the crate's cache unless it is there already.
pub fn provide() -> Result<Archive> {
    with_machine(false, sources::provide)
}

/// Where this machine has no library and may not build it, the crate downloads it; `cargo build` then finds it in the
/// target folder.
pub fn run(arguments: &[String]) -> Result<()> {
    match Asked::of(arguments)? {
        Asked::Help => print!("{HELP}"),
        Asked::Status => {
            let (text, usable) = with_machine(false, status::status)?;
            print!("{text}");
            if !usable {
                bail!("there is no library to build with; `cargo xtask v8` gets it");
            }
        }
        Asked::Library { from_source, install } => {
            if from_source {
                with_machine(install, sources::from_source)?;
            }
            match with_machine(install, sources::provide)? {
                Archive::Ready(path) => println!("V8 is ready: {}", path.display()),
                archive @ Archive::LeftToTheCrate { .. } => {
                    Cargo::with_archive(archive).run(&["build", "--release", "--package", "v8"])?;
                    println!("V8 is ready: the v8 crate got it by itself");
                }
            }
        }
    }
    Ok(())
}

fn with_machine<T>(install: bool, deed: impl FnOnce(&Machine<'_>) -> Result<T>) -> Result<T> {
    let wishes = Wishes::of_environment(install);
    let places = Places::of_machine(&wishes)?;
    deed(&Machine { runner: &Processes, wishes, places })
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Help,
    Status,
    Library { from_source: bool, install: bool },
}

impl Asked {
    fn of(arguments: &[String]) -> Result<Self> {
        let known = ["--help", "-h", "--status", "--from-source", "--install"];
        if let Some(unknown) = arguments.iter().find(|argument| !known.contains(&argument.as_str())) {
            bail!("unknown option `{unknown}`\n\n{HELP}");
        }
        let has = |name: &str| arguments.iter().any(|argument| argument == name);
        if has("--help") || has("-h") {
            return Ok(Self::Help);
        }
        let (from_source, install) = (has("--from-source"), has("--install"));
        match has("--status") {
            true if from_source || install => bail!("--status only looks: it goes with no other option"),
            true => Ok(Self::Status),
            false => Ok(Self::Library { from_source, install }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Result<Asked> {
        Asked::of(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_and_what_is_misspelt_is_named() {
        let library = |from_source, install| Asked::Library { from_source, install };
        assert_eq!(asked(&[]).unwrap(), library(false, false));
        assert_eq!(asked(&["--install", "--from-source"]).unwrap(), library(true, true));
        assert_eq!(asked(&["--status"]).unwrap(), Asked::Status);
        assert_eq!(asked(&["--status", "-h"]).unwrap(), Asked::Help);
        assert!(asked(&["--form-source"]).unwrap_err().to_string().starts_with("unknown option `--form-source`"));
        assert!(asked(&["--status", "--from-source"]).is_err());
    }

    #[test]
    fn what_a_commit_must_pass_never_builds_v8() {
        let script = include_str!("../../../../.ci/run");
        assert!(script.contains(&format!("export {}=never", machine::BUILD_VARIABLE)), "{script}");
    }
}
