//! The order in which V8's library is looked for: what the user names, the crate's cache, the team's folder, what was
//! built here before, upstream's download, and last of all building it from source.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::machine::{ARCHIVE_VARIABLE, BUILD_VARIABLE, MIRROR_VARIABLE, Machine, is_url};
use super::record::{self, Health, Origin, Record, Summed};
use super::{build, download};

#[derive(Debug)]
pub enum Archive {
    /// `cargo build` finds it at this path.
    Ready(PathBuf),
    /// The crate must download or build it; these places were looked at before.
    LeftToTheCrate { tried: Vec<String>, mend: String },
}

impl Archive {
    /// Adds to a failed build what is known of V8, since the crate's own message says little.
    pub fn explain(&self, built: Result<()>) -> Result<()> {
        let Self::LeftToTheCrate { tried, mend } = self else { return built };
        built.map_err(|error| {
            let tried = tried.join("\n  ");
            anyhow!(
                "{error:#}\n\nIf V8's static library is what it lacked: this was tried\n  {tried}\n  \
                 the download by the v8 crate itself\nWhat to do: {mend}"
            )
        })
    }
}

/// The places looked at in vain, each told as it is left behind.
#[derive(Default)]
struct Tried(Vec<String>);

impl Tried {
    fn add(&mut self, place: impl fmt::Display, reason: impl fmt::Display) {
        let line = format!("{place}: {reason}");
        eprintln!("V8: {line}");
        self.0.push(line);
    }
}

/// Puts the library in the crate's cache unless it is there already.
pub fn provide(machine: &Machine<'_>) -> Result<Archive> {
    if let Some(place) = &machine.wishes.archive {
        return given(machine, place);
    }
    if let Some(mirror) = machine.wishes.mirror.as_deref().filter(|mirror| !is_url(mirror)) {
        return of_folder(machine, mirror);
    }
    let cached = &machine.places.cached;
    match in_cache(machine)? {
        Ok(()) => Ok(Archive::Ready(cached.clone())),
        Err(_) if crate_has_it(machine) => Ok(Archive::Ready(own_download(machine))),
        Err(reason) => {
            let mut tried = Tried::default();
            tried.add(ARCHIVE_VARIABLE, "not set");
            tried.add(cached.display(), reason);
            elsewhere(machine, tried)
        }
    }
}

/// Builds V8 here whatever else there is, unless that was done before.
pub fn from_source(machine: &Machine<'_>) -> Result<()> {
    if let Some(place) = &machine.wishes.archive {
        bail!("{ARCHIVE_VARIABLE} names {place}, and the v8 crate would take that: unset it");
    }
    match kept(machine) {
        Ok(before) => {
            eprintln!("V8: built from source before: {}; without that file it is built anew", before.file.display());
        }
        Err(_) => build::build(machine)?,
    }
    match record::health(machine, true)? {
        Health::Sound(record) if record.origin == Origin::Source && record.checked => build::tidy(machine),
        _ => finish(machine),
    }
}

fn given(machine: &Machine<'_>, place: &str) -> Result<Archive> {
    if is_url(place) {
        let mend = format!("{ARCHIVE_VARIABLE} names the URL {place}: is it right?");
        return Ok(Archive::LeftToTheCrate { tried: Vec::new(), mend });
    }
    let file = Path::new(place);
    if !file.is_file() {
        bail!("{ARCHIVE_VARIABLE} names {place}, which is not a file: correct or unset it");
    }
    // For `cargo build` without the variable.
    if !machine.places.cached.is_file() {
        record::put(machine, Summed::of(file)?, Origin::Given)?;
    }
    Ok(Archive::Ready(file.to_owned()))
}

/// A mirror in the file system: the crate reads it there, whatever is in its cache.
fn of_folder(machine: &Machine<'_>, mirror: &str) -> Result<Archive> {
    let file = PathBuf::from(&machine.places.url);
    if !file.is_file() {
        bail!("{MIRROR_VARIABLE} names {mirror}, and there is no {}: correct or unset it", file.display());
    }
    Ok(Archive::Ready(file))
}

/// The crate's cache; the reason where it has nothing of use. What is broken is removed.
fn in_cache(machine: &Machine<'_>) -> Result<Result<(), String>> {
    let places = &machine.places;
    match record::health(machine, false)? {
        Health::Sound(record) if record.origin == Origin::Source && !record.checked => {
            // Whoever built it was interrupted before he had tried it.
            check(machine).map(Ok)
        }
        Health::Sound(_) => Ok(Ok(())),
        Health::Absent => Ok(Err(other_versions(machine).map_or_else(
            || "no such file".to_owned(),
            |others| format!("no such file; Cargo.lock asks for v8 {} now, and here is {others}", places.version),
        ))),
        Health::Broken(reason) => {
            fs::remove_file(&places.cached).with_context(|| format!("cannot remove {}", places.cached.display()))?;
            Record::forget(&places.folder());
            Ok(Err(format!("broken, and removed: {reason}")))
        }
    }
}

/// Versions of the crate for which there is a library, though not for the locked one.
pub fn other_versions(machine: &Machine<'_>) -> Option<String> {
    let places = &machine.places;
    let mut others = Vec::new();
    for folder in fs::read_dir(&places.home).ok()?.flatten() {
        let name = folder.file_name().to_string_lossy().into_owned();
        let version = name.strip_suffix(&format!("-{}", places.target)).filter(|version| *version != places.version);
        if let Some((version, record)) = version.zip(Record::read(&folder.path())) {
            others.push(format!("that of v8 {version} ({})", record.origin.told()));
        }
    }
    others.sort();
    (!others.is_empty()).then(|| others.join(", "))
}

/// What the crate downloaded by itself in an earlier build of this checkout.
fn own_download(machine: &Machine<'_>) -> PathBuf {
    machine.places.target_folder.join("release/gn_out/obj/librusty_v8.a")
}

fn crate_has_it(machine: &Machine<'_>) -> bool {
    let library = own_download(machine);
    // The crate calls it a checksum; it is the address.
    let address = fs::read_to_string(library.with_extension("sum"));
    library.is_file() && address.is_ok_and(|address| address == machine.places.url)
}

/// What every other place is asked for: the origin, or the reason why it has nothing.
type Source = fn(&Machine<'_>) -> Result<Origin>;

fn elsewhere(machine: &Machine<'_>, mut tried: Tried) -> Result<Archive> {
    let places = &machine.places;
    let sources: [(String, Source); 3] = [
        (places.shared.join(places.file_name()).display().to_string(), shared),
        ("built from source before".to_owned(), kept_again),
        (places.url.clone(), download::upstream),
    ];
    for (name, source) in sources {
        match source(machine) {
            Ok(origin) => {
                eprintln!("V8: {}, put at {}", origin.told(), places.cached.display());
                if origin == Origin::Source {
                    check(machine)?;
                }
                return Ok(Archive::Ready(places.cached.clone()));
            }
            Err(reason) => tried.add(name, format!("{reason:#}")),
        }
    }
    let by_hand = format!(
        "get {} on a machine that can, and set {ARCHIVE_VARIABLE} to that file or put it at {}",
        places.url,
        places.cached.display()
    );
    if !machine.wishes.may_build {
        let mend = format!("{by_hand}; or unset {BUILD_VARIABLE}, and V8 is built here (an hour or more)");
        return Ok(Archive::LeftToTheCrate { tried: tried.0, mend });
    }
    let told = || {
        let tried = tried.0.join("\n  ");
        format!(
            "V8's static library is not to be had; tried:\n  {tried}\n  from source\nWhat to do otherwise: {by_hand}\n"
        )
    };
    build::build(machine).with_context(told)?;
    finish(machine)?;
    Ok(Archive::Ready(places.cached.clone()))
}

fn shared(machine: &Machine<'_>) -> Result<Origin> {
    let places = &machine.places;
    record::put(machine, record::verified(&places.shared, &places.file_name())?, Origin::Shared)?;
    Ok(Origin::Shared)
}

/// What was built here, with its checksum.
pub fn kept(machine: &Machine<'_>) -> Result<Summed> {
    record::verified(&machine.places.folder(), &machine.places.file_name())
}

fn kept_again(machine: &Machine<'_>) -> Result<Origin> {
    record::put(machine, kept(machine)?, Origin::Source)?;
    build::place_bindings(machine)?;
    Ok(Origin::Source)
}

/// What was just built goes where the crate looks, and is tried.
fn finish(machine: &Machine<'_>) -> Result<()> {
    kept_again(machine)?;
    check(machine)
}

/// Runs Bylaw on what was built here. What fails is not used again.
fn check(machine: &Machine<'_>) -> Result<()> {
    let folder = machine.places.folder();
    if let Err(error) = build::check(machine) {
        let _ = fs::remove_file(&machine.places.cached);
        Record::forget(&folder);
        return Err(error);
    }
    let record = Record::read(&folder).context("the record of the library is gone")?;
    record.after_check().write(&folder)?;
    build::tidy(machine)
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
