//! V8 from the sources in the crate's own package, in the user's cache: tools, sources, configuration, compilation, the
//! archive, and a look at whether Bylaw runs on it. Each step leaves behind what the next run goes on from.

mod apt;
mod check;
mod distribution;
mod gn;
mod lock;
mod ninja;
mod package;
mod tools;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::machine::{Machine, Places, bindings_name, cache_name, is_url, url_of};
use super::record::{place_atomically, sha256, write_atomically};
use super::runner::must;
use super::sources;
use lock::Lock;

pub use check::check;

/// Seen: two processors took 75 minutes.
const PROCESSOR_MINUTES: u64 = 150;

/// Seen at the end of the compilation: sources, tools and objects.
const DISK_GIB: u64 = 4;

/// Builds V8 and keeps the archive with its checksum in [`Places::folder`].
pub fn build(machine: &Machine<'_>) -> Result<()> {
    let places = &machine.places;
    supported(places)?;
    let workshop = places.workshop();
    fs::create_dir_all(&workshop).with_context(|| format!("cannot make {}", workshop.display()))?;
    let lock = Lock::wait(&workshop)?;
    if sources::kept(machine).is_ok() {
        // Built by another command while this one waited.
        return Ok(());
    }
    let jobs = ninja::jobs();
    eprintln!(
        "V8: building v8 {} from source in {}: about {} minutes with {jobs} at a time, {DISK_GIB} GiB of disk. Ctrl-C is \
         safe: the same command goes on.",
        places.version,
        workshop.display(),
        PROCESSOR_MINUTES / u64::from(jobs.max(1))
    );
    let tools = tools::gather(machine)?;
    let source = package::unpack(machine)?;
    let out = workshop.join("out");
    gn::configure(machine, &tools, &source, &out)?;
    ninja::build(machine, &tools, &out, jobs, &lock)?;
    keep(machine, &out.join("obj/librusty_v8.a"))
}

/// Only for the machine itself: a cross compilation would need the other system's libraries.
fn supported(places: &Places) -> Result<()> {
    let Places { target, host, .. } = places;
    if target != host {
        bail!("V8 is built from source only for the machine itself ({host}), not for {target}");
    }
    gn::processor(target).map(drop)
}

/// Packs the library as upstream does, in one file that is whole or absent, and its checksum beside it.
fn keep(machine: &Machine<'_>, library: &Path) -> Result<()> {
    let folder = machine.places.folder();
    let name = machine.places.file_name();
    eprintln!("V8: packing {}", library.display());
    must(machine.runner, Command::new("gzip").args(["--no-name", "--keep", "--force"]).arg(library))?;
    let packed = library.with_extension("a.gz");
    let sum = sha256(&packed)?;
    place_atomically(&packed, &folder.join(&name))?;
    write_atomically(&folder.join("SHA256SUMS"), format!("{sum}  {name}\n").as_bytes())
}

/// With a mirror the crate takes its bindings from there too, which is as far away as the library was; those in the
/// crate's package are the same.
pub fn place_bindings(machine: &Machine<'_>) -> Result<()> {
    let Some(mirror) = machine.wishes.mirror.as_deref().filter(|mirror| is_url(mirror)) else { return Ok(()) };
    let places = &machine.places;
    let name = bindings_name(&places.target);
    let to = places.cached.with_file_name(cache_name(&url_of(Some(mirror), &places.version, &name)));
    if to.is_file() {
        return Ok(());
    }
    place_atomically(&package::folder_of_crate(machine)?.join("gen").join(name), &to)
}

/// Removes what was needed for the compilation alone.
pub fn tidy(machine: &Machine<'_>) -> Result<()> {
    let workshop = machine.places.workshop();
    // Under another name first: a half of it must never be taken for the whole.
    let removed = workshop.with_extension("removed");
    if workshop.is_dir() {
        eprintln!("V8: removing {}", workshop.display());
        remove(&removed)?;
        fs::rename(&workshop, &removed).with_context(|| format!("cannot remove {}", workshop.display()))?;
    }
    remove(&removed)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// How far a build has come that is under way or was interrupted.
pub fn state(machine: &Machine<'_>) -> Option<String> {
    let workshop = machine.places.workshop();
    if !workshop.is_dir() {
        return None;
    }
    let under_way = if Lock::is_held(&workshop) { "under way" } else { "interrupted: the next build goes on with it" };
    let steps = ninja::last_progress(&machine.places.folder()).map_or_else(String::new, |steps| format!(", {steps}"));
    Some(format!("{under_way}{steps}, in {}", workshop.display()))
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
