//! The tools that compile V8: Clang with lld and LLVM's tools, Ninja, Python. Those of the machine are taken; on the
//! Debian family what is missing is fetched, elsewhere it is named.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt;
use super::distribution::Family;
use crate::v8::machine::Machine;
use crate::v8::runner::{answers, must};

/// The C++ library in V8's sources supports no older one.
pub const OLDEST_CLANG: u32 = 21;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clang {
    /// With `bin` in it.
    pub base: PathBuf,
    pub version: u32,
    /// Libraries that it needs and the system does not have.
    pub libraries: Option<PathBuf>,
    /// Its own functions for what processors cannot do by themselves (`compiler-rt`), which V8 links in.
    pub builtins: PathBuf,
}

#[derive(Debug)]
pub struct Tools {
    pub clang: Clang,
    pub ninja: PathBuf,
    pub python: PathBuf,
}

/// What may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Clang,
    Ninja,
    Python,
}

impl fmt::Display for Tool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clang => write!(formatter, "Clang {OLDEST_CLANG} or newer with lld, LLVM's tools and compiler-rt"),
            Self::Ninja => formatter.write_str("Ninja"),
            Self::Python => formatter.write_str("Python 3"),
        }
    }
}

pub fn gather(machine: &Machine<'_>) -> Result<Tools> {
    let aside = apt::root_aside(machine);
    let missing = match find(machine, aside.is_dir().then_some(&*aside)) {
        Ok(tools) => return Ok(tools),
        Err(missing) => missing,
    };
    let names = names(&missing);
    eprintln!("V8: missing: {names}");
    let family = Family::of_machine(machine);
    if !matches!(family, Family::Debian { .. }) {
        bail!("missing: {names}. {}", family.advice());
    }
    let fetched = apt::fetch(machine, &missing).with_context(|| format!("missing: {names}. {}", family.advice()))?;
    find(machine, fetched.as_deref()).map_err(|missing| {
        anyhow::anyhow!("still missing after apt fetched it: {}. {}", self::names(&missing), family.advice())
    })
}

fn names(missing: &[Tool]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The tools, or those that are missing. `aside` is a root of packages unpacked beside the system's.
fn find(machine: &Machine<'_>, aside: Option<&Path>) -> Result<Tools, Vec<Tool>> {
    let clang = find_clang(machine, aside);
    let ninja = find_program(machine, machine.wishes.ninja.as_deref(), "ninja", aside);
    let python = find_program(machine, machine.wishes.python.as_deref(), "python3", aside);
    match (clang, ninja, python) {
        (Some(clang), Some(ninja), Some(python)) => Ok(Tools { clang, ninja, python: real_python(machine, python) }),
        (clang, ninja, python) => {
            let all =
                [(Tool::Clang, clang.is_some()), (Tool::Ninja, ninja.is_some()), (Tool::Python, python.is_some())];
            Err(all.into_iter().filter(|(_, is_here)| !is_here).map(|(tool, _)| tool).collect())
        }
    }
}

fn find_program(machine: &Machine<'_>, named: Option<&Path>, name: &str, aside: Option<&Path>) -> Option<PathBuf> {
    if let Some(named) = named {
        return answers(machine.runner, named).map(|_| named.to_owned());
    }
    let folders = machine.places.path.iter().cloned().chain(aside.map(|root| root.join("usr/bin")));
    let mut there = folders.map(|folder| folder.join(name)).filter(|program| program.is_file());
    there.find(|program| answers(machine.runner, program).is_some())
}

/// The program behind a shim, which would cost time at each of the thousands of calls.
fn real_python(machine: &Machine<'_>, python: PathBuf) -> PathBuf {
    let mut command = Command::new(&python);
    command.args(["-c", "import sys; print(sys.executable)"]);
    match must(machine.runner, &mut command) {
        Ok(out) if Path::new(out.trim()).is_file() => PathBuf::from(out.trim()),
        _ => python,
    }
}

/// The one that the user names, else the newest that has all it needs beside it.
fn find_clang(machine: &Machine<'_>, aside: Option<&Path>) -> Option<Clang> {
    let places = &machine.places;
    if let Some(base) = &machine.wishes.clang {
        return inspect(machine, base, None);
    }
    let of_system = bases(&places.system).into_iter().filter_map(|base| inspect(machine, &base, None));
    let on_path = places.path.iter().filter_map(|folder| inspect(machine, folder.parent()?, None));
    let unpacked = aside.into_iter().flat_map(|root| {
        let libraries = library_folder(root);
        bases(root).into_iter().filter_map(move |base| inspect(machine, &base, libraries.as_deref()))
    });
    of_system.chain(on_path).chain(unpacked).max_by_key(|clang| clang.version)
}

/// Folders of LLVM by version, as distributions have them.
fn bases(root: &Path) -> Vec<PathBuf> {
    let folders = ["usr/lib", "usr/lib64"].map(|folder| root.join(folder));
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let mut bases: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm"))
        .map(|entry| entry.path())
        .collect();
    bases.sort();
    bases
}

fn library_folder(root: &Path) -> Option<PathBuf> {
    ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .map(|name| root.join("usr/lib").join(name))
        .into_iter()
        .find(|path| path.is_dir())
}

fn inspect(machine: &Machine<'_>, base: &Path, libraries: Option<&Path>) -> Option<Clang> {
    let bin = base.join("bin");
    let all = ["clang", "clang++", "llvm-ar", "llvm-nm", "llvm-readelf", "ld.lld"];
    if !all.iter().all(|name| bin.join(name).is_file()) {
        return None;
    }
    let ask = |words: &[&str]| {
        let mut command = Command::new(bin.join("clang"));
        if let Some(libraries) = libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        must(machine.runner, command.args(words)).ok()
    };
    let version = version_of(&ask(&["--version"])?).filter(|version| *version >= OLDEST_CLANG)?;
    let builtins = PathBuf::from(ask(&["--rtlib=compiler-rt", "-print-libgcc-file-name"])?.trim());
    builtins.is_file().then(|| Clang {
        base: base.to_owned(),
        version,
        libraries: libraries.map(Path::to_owned),
        builtins,
    })
}

/// Of a line like `Debian clang version 22.1.8 (…)`.
fn version_of(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("clang version ")?;
    version.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
#[path = "tools_tests.rs"]
mod tests;
