//! `cargo xtask v8 --status`: what is there, from where, with which checksum, for which version of the crate.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::build;
use super::machine::{ARCHIVE_VARIABLE, Machine, mebibytes};
use super::record::{self, Health};
use super::sources;

/// What is told, and whether there is a library that a build can use.
pub fn status(machine: &Machine<'_>) -> Result<(String, bool)> {
    let places = &machine.places;
    let mut text = format!("the crate v8 {} of Cargo.lock, for {}\n", places.version, places.target);
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<9} {value}");
    };
    let given = machine.wishes.archive.as_deref();
    if let Some(place) = given {
        line("given", &format!("{ARCHIVE_VARIABLE}={place}: nothing else counts"));
    }
    let usable = match record::health(machine, true)? {
        Health::Absent => {
            line("library", &format!("none at {}", places.cached.display()));
            false
        }
        Health::Broken(reason) => {
            line("library", &format!("broken, and replaced by the next build: {}", places.cached.display()));
            line("", &reason);
            false
        }
        Health::Sound(record) => {
            line("library", &format!("{} ({})", places.cached.display(), mebibytes(&places.cached)));
            line("origin", record.origin.told());
            line("sha256", &record.sha256);
            if record.origin == record::Origin::Source {
                line("checked", if record.checked { "Bylaw ran on it" } else { "not yet: the next build does" });
            }
            true
        }
    };
    match sources::kept(machine) {
        Ok(kept) => line("kept", &kept.file.display().to_string()),
        Err(error) if places.folder().join(places.file_name()).is_file() => line("kept", &format!("{error:#}")),
        Err(_) => {}
    }
    if let Some(state) = build::state(machine) {
        line("building", &state);
    }
    if let Some(others) = sources::other_versions(machine) {
        line("changed", &format!("{others} is here, for another Cargo.lock"));
    }
    Ok((text, given.map_or(usable, is_usable)))
}

fn is_usable(place: &str) -> bool {
    super::machine::is_url(place) || fs::metadata(Path::new(place)).is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::machine::{Wishes, tests::places};
    use super::super::record::{Origin, Summed, put, sha256};
    use super::super::runner::fake::Fake;
    use super::*;

    #[test]
    fn nothing_is_told_as_nothing() {
        let folder = TempDir::new().unwrap();
        let runner = Fake::default();
        let machine = Machine { runner: &runner, wishes: Wishes::default(), places: places(folder.path()) };
        let (text, usable) = status(&machine).unwrap();
        assert!(text.starts_with("the crate v8 150.4.0 of Cargo.lock, for x86_64-unknown-linux-gnu\n"), "{text}");
        assert!(text.contains("none at ") && !usable, "{text}");
    }

    #[test]
    fn what_is_there_is_told_with_origin_and_checksum_and_so_is_what_spoilt_it() {
        let folder = TempDir::new().unwrap();
        let runner = Fake::default();
        let machine = Machine { runner: &runner, wishes: Wishes::default(), places: places(folder.path()) };
        let file = folder.path().join("lib");
        fs::write(&file, "library").unwrap();
        put(&machine, Summed::of(&file).unwrap(), Origin::Source).unwrap();
        let (text, usable) = status(&machine).unwrap();
        let sum = sha256(&file).unwrap();
        assert!(
            usable && text.contains("built from source") && text.contains(&sum) && text.contains("not yet"),
            "{text}"
        );

        fs::write(&machine.places.cached, "spoilt!").unwrap();
        let (text, usable) = status(&machine).unwrap();
        assert!(!usable && text.contains("broken") && text.contains(&sum), "{text}");
    }

    #[test]
    fn the_library_of_another_version_is_named() {
        let folder = TempDir::new().unwrap();
        let runner = Fake::default();
        let before = Machine { runner: &runner, wishes: Wishes::default(), places: places(folder.path()) };
        let file = folder.path().join("lib");
        fs::write(&file, "library").unwrap();
        put(&before, Summed::of(&file).unwrap(), Origin::Shared).unwrap();
        let mut places = places(folder.path());
        places.version = "151.0.0".to_owned();
        places.cached = folder.path().join("cargo/.rusty_v8/other");
        let now = Machine { runner: &runner, wishes: Wishes::default(), places };
        let (text, usable) = status(&now).unwrap();
        assert!(!usable && text.contains("that of v8 150.4.0 (../shared/v8) is here"), "{text}");
    }
}
