//! Packages on the Debian family. Where root is not given, or has not agreed, they are unpacked in the workshop and the
//! system stays as it is: apt's lists, packages and what comes out of them are all in a folder of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::distribution::Suite;
use super::gn::{processor, script};
use super::tools::{OLDEST_CLANG, Tool};
use crate::v8::machine::Machine;
use crate::v8::record::write_atomically;
use crate::v8::runner::must;

/// Where packages of the system's own release are unpacked.
pub fn root_aside(machine: &Machine<'_>) -> PathBuf {
    folder(machine).join("root")
}

fn folder(machine: &Machine<'_>) -> PathBuf {
    machine.places.workshop().join("apt")
}

/// Installs or unpacks what has the missing tools. Returns the root of what was unpacked.
pub fn fetch(machine: &Machine<'_>, missing: &[Tool]) -> Result<Option<PathBuf>> {
    if machine.wishes.may_install && is_root(machine) {
        install(machine, missing)?;
        return Ok(None);
    }
    let root = root_aside(machine);
    let apt = Apt::beside(machine, folder(machine), None)?;
    apt.update()?;
    let packages = apt.packages(missing)?;
    eprintln!("V8: unpacking into {} (the system stays as it is): {}", root.display(), packages.join(", "));
    apt.unpack(&packages, &root)?;
    Ok(Some(root))
}

fn is_root(machine: &Machine<'_>) -> bool {
    must(machine.runner, Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn install(machine: &Machine<'_>, missing: &[Tool]) -> Result<()> {
    let apt = Apt { machine, folder: PathBuf::new(), configuration: None };
    apt.update()?;
    let packages = apt.packages(missing)?;
    eprintln!("V8: installing {}", packages.join(", "));
    let mut command = apt.command("apt-get");
    command.args(["install", "--yes", "--no-install-recommends"]).args(&packages);
    must(machine.runner, command.env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
}

/// GN out of a newer suite, with that suite's own C library and loader: a program that calls it.
pub fn newest_gn(machine: &Machine<'_>, suite: &Suite) -> Result<PathBuf> {
    let folder = folder(machine).join(suite.name);
    let program = folder.join("gn");
    if program.is_file() {
        return Ok(program);
    }
    eprintln!("V8: fetching GN out of {}, with the libraries that it runs on, into {}", suite.name, folder.display());
    let apt = Apt::beside(machine, folder.clone(), Some(suite))?;
    apt.update()?;
    let root = folder.join("root");
    apt.unpack(&["generate-ninja".to_owned()], &root)?;
    let processor = processor(&machine.places.target)?;
    let libraries = root.join("usr/lib").join(processor.triplet);
    let loader = libraries.join(processor.loader);
    let gn = root.join("usr/bin/gn");
    for file in [&loader, &gn] {
        if !file.is_file() {
            bail!("the packages of {} have no {}", suite.name, file.display());
        }
    }
    let [loader, libraries, gn] = [&loader, &libraries, &gn].map(|path| path.display());
    script(&program, &format!("exec '{loader}' --library-path '{libraries}' '{gn}' \"$@\"\n"))?;
    Ok(program)
}

/// apt with folders of its own, or the system's.
struct Apt<'a> {
    machine: &'a Machine<'a>,
    folder: PathBuf,
    configuration: Option<PathBuf>,
}

impl<'a> Apt<'a> {
    /// With lists and packages in `folder`; of this suite alone, as if nothing were installed, or of the system's sources.
    fn beside(machine: &'a Machine<'a>, folder: PathBuf, suite: Option<&Suite>) -> Result<Self> {
        for name in ["lists/partial", "cache/archives/partial", "packages"] {
            fs::create_dir_all(folder.join(name)).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut text = settings(&folder);
        if let Some(suite) = suite {
            let list = folder.join("sources.list");
            let status = folder.join("status");
            write_atomically(&list, source_line(machine, suite).as_bytes())?;
            write_atomically(&status, b"")?;
            text.push_str(&only(&list, &status));
        }
        let configuration = folder.join("apt.conf");
        write_atomically(&configuration, text.as_bytes())?;
        Ok(Self { machine, folder, configuration: Some(configuration) })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if let Some(configuration) = &self.configuration {
            command.arg("-c").arg(configuration);
        }
        // What it prints is read.
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    fn run(&self, program: &str, words: &[&str]) -> Result<String> {
        must(self.machine.runner, self.command(program).args(words))
    }

    fn update(&self) -> Result<()> {
        eprintln!("V8: asking apt what packages there are");
        self.run("apt-get", &["-qq", "update"]).map(drop)
    }

    /// Packages that have these tools.
    fn packages(&self, missing: &[Tool]) -> Result<Vec<String>> {
        let mut packages = Vec::new();
        for tool in missing {
            match tool {
                Tool::Clang => {
                    let names = self.run(
                        "apt-cache",
                        &["search", "--names-only", "^(clang|lld|llvm|libclang-rt)-[0-9]+(-dev)?$"],
                    )?;
                    let version = newest_clang(&names).with_context(|| {
                        format!("the system's package sources have no Clang {OLDEST_CLANG} or newer")
                    })?;
                    packages.extend(packages_of_clang(version));
                }
                Tool::Ninja => packages.push("ninja-build".to_owned()),
                Tool::Python => packages.push("python3".to_owned()),
            }
        }
        Ok(packages)
    }

    /// Unpacks the packages, and those that they need and that are not installed, into `root`.
    fn unpack(&self, packages: &[String], root: &Path) -> Result<()> {
        let mut words = vec!["-qq", "--simulate", "--no-install-recommends", "install"];
        words.extend(packages.iter().map(String::as_str));
        let needed = to_install(&self.run("apt-get", &words)?);
        if needed.is_empty() {
            bail!("apt would install nothing for {}", packages.join(", "));
        }
        let folder = self.folder.join("packages");
        let mut download = self.command("apt-get");
        // What was downloaded whole before is not downloaded again.
        must(self.machine.runner, download.args(["-qq", "download"]).args(&needed).current_dir(&folder))?;
        let partial = root.with_extension("partial");
        if partial.is_dir() {
            fs::remove_dir_all(&partial)?;
        }
        fs::create_dir_all(&partial)?;
        for package in &needed {
            let file = downloaded(&folder, package).with_context(|| format!("apt did not download {package}"))?;
            must(self.machine.runner, Command::new("dpkg").arg("-x").arg(&file).arg(&partial))?;
        }
        if root.is_dir() {
            fs::remove_dir_all(root)?;
        }
        fs::rename(&partial, root).with_context(|| format!("cannot make {}", root.display()))
    }
}

/// The file of `name=version`, which apt calls `name_version_architecture.deb` with the colon of an epoch encoded.
fn downloaded(folder: &Path, package: &str) -> Option<PathBuf> {
    let (name, version) = package.split_once('=')?;
    let name = name.split_once(':').map_or(name, |(name, _architecture)| name);
    let start = format!("{name}_{}_", version.replace(':', "%3a"));
    let files = fs::read_dir(folder).ok()?.flatten();
    files.map(|file| file.path()).find(|path| {
        path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&start)) && has_extension(path, "deb")
    })
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|its| its == extension)
}

/// The packages of one version of LLVM.
fn packages_of_clang(version: u32) -> [String; 4] {
    [
        format!("clang-{version}"),
        format!("lld-{version}"),
        format!("llvm-{version}"),
        format!("libclang-rt-{version}-dev"),
    ]
}

/// Nothing of the system's is written or locked, and no hook of it is run.
fn settings(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n#clear DPkg::Post-Invoke;\n\
         Dir::State::lists \"{folder}/lists\";\nDir::Cache \"{folder}/cache\";\nDebug::NoLocking \"true\";\n\
         APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\nAcquire::Retries \"3\";\n"
    )
}

fn only(list: &Path, status: &Path) -> String {
    format!(
        "Dir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"-\";\nDir::Etc::preferences \"-\";\n\
         Dir::Etc::preferencesparts \"-\";\nDir::State::status \"{}\";\n",
        list.display(),
        status.display()
    )
}

/// The suite at the place where the system gets its packages, which may be a mirror.
fn source_line(machine: &Machine<'_>, suite: &Suite) -> String {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"]);
    let targets = must(machine.runner, &mut command).unwrap_or_default();
    let prefix = format!("{0} {0} ", suite.origin);
    let address = targets.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or(suite.address);
    let keyrings = ["gpg", "pgp"].map(|kind| format!("usr/share/keyrings/{}.{kind}", suite.keyring));
    let keyring = keyrings.iter().map(|name| machine.places.system.join(name)).find(|keyring| keyring.is_file());
    let signed = keyring.map_or_else(String::new, |keyring| format!("[signed-by={}] ", keyring.display()));
    format!("deb {signed}{address} {} {}\n", suite.name, suite.components)
}

/// The newest version of which there are all packages, by lines like `clang-22 - C, C++ and Objective-C compiler`.
fn newest_clang(found: &str) -> Option<u32> {
    let names: Vec<&str> = found.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let versions = names.iter().filter_map(|name| name.strip_prefix("clang-")?.parse::<u32>().ok());
    let has_all = |version: &u32| packages_of_clang(*version).iter().all(|name| names.contains(&name.as_str()));
    versions.filter(|version| *version >= OLDEST_CLANG).filter(has_all).max()
}

/// Packages with their versions, by lines like `Inst lld-22 [1.0] (1:22.1.8-1 Debian:12 [amd64])`.
fn to_install(simulation: &str) -> Vec<String> {
    let package = |line: &str| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        let (_, version) = rest.split_once('(')?;
        Some(format!("{name}={}", version.split([' ', ')']).next()?))
    };
    simulation.lines().filter_map(package).collect()
}

#[cfg(test)]
#[path = "apt_tests.rs"]
mod tests;
