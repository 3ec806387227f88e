//! What is to be had and where it goes: the version that `Cargo.lock` asks for, the target, the user's wishes from the
//! environment, and the places of the library.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

use super::runner::Runner;
use crate::workspace;

pub const RELEASES: &str = "https://github.com/denoland/rusty_v8/releases/download";

/// Set for the file's own location: a path or a URL. The crate then looks nowhere else.
pub const ARCHIVE_VARIABLE: &str = "RUSTY_V8_ARCHIVE";

/// Upstream's releases by another address; the crate then takes its bindings from there as well.
pub const MIRROR_VARIABLE: &str = "RUSTY_V8_MIRROR";

/// `never` keeps V8 from being built here, which takes an hour.
pub const BUILD_VARIABLE: &str = "BYLAW_V8_FROM_SOURCE";

/// What the environment and the flags say.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    pub archive: Option<String>,
    pub mirror: Option<String>,
    /// Whether V8 may be built from source where there is no other way.
    pub may_build: bool,
    /// Whether missing packages may be installed in the ordinary way, by root.
    pub may_install: bool,
    /// Tools by the crate's own switches: `CLANG_BASE_PATH`, `GN`, `NINJA`, `PYTHON`.
    pub clang: Option<PathBuf>,
    pub gn: Option<PathBuf>,
    pub ninja: Option<PathBuf>,
    pub python: Option<PathBuf>,
    /// More of them, at the end: `EXTRA_GN_ARGS`.
    pub gn_arguments: Option<String>,
}

impl Wishes {
    pub fn of_environment(install: bool) -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let in_ci = matches!(text("CI").as_deref(), Some("true" | "1"));
        Self {
            archive: text(ARCHIVE_VARIABLE),
            mirror: text(MIRROR_VARIABLE),
            may_build: text(BUILD_VARIABLE).is_none_or(|value| value != "never"),
            may_install: install || in_ci,
            clang: text("CLANG_BASE_PATH").map(Into::into),
            gn: text("GN").map(Into::into),
            ninja: text("NINJA").map(Into::into),
            python: text("PYTHON").map(Into::into),
            gn_arguments: text("EXTRA_GN_ARGS"),
        }
    }
}

/// Where everything is on this machine.
#[derive(Debug, Clone)]
pub struct Places {
    /// Of the crate `v8`.
    pub version: String,
    pub target: String,
    /// The target of this machine itself.
    pub host: String,
    /// A folder beside the checkout that may hold the library for machines of one team.
    pub shared: PathBuf,
    /// Upstream's address of the library, or the mirror's.
    pub url: String,
    /// Where the crate looks before it downloads.
    pub cached: PathBuf,
    /// Ours in the user's cache: a folder for each version and target.
    pub home: PathBuf,
    /// Where the crate keeps what it downloaded itself.
    pub target_folder: PathBuf,
    /// Where programs are looked for, in this order.
    pub path: Vec<PathBuf>,
    /// The root of the system, which only tests have elsewhere.
    pub system: PathBuf,
}

impl Places {
    pub fn of_machine(wishes: &Wishes) -> Result<Self> {
        let root = workspace::root()?;
        let lock = fs::read_to_string(root.join("Cargo.lock")).context("Cargo.lock")?;
        let version = locked_version(&lock, "v8").context("Cargo.lock names no package `v8`")?.to_owned();
        let host = host()?;
        let target = env::var("CARGO_BUILD_TARGET").unwrap_or_else(|_| host.clone());
        let path = env::var_os("PATH").unwrap_or_default();
        let url = url_of(wishes.mirror.as_deref(), &version, &file_name(&target));
        Ok(Self {
            shared: root.with_file_name("shared").join("v8"),
            cached: workspace::cargo_home()?.join(".rusty_v8").join(cache_name(&url)),
            home: workspace::cache()?.join("v8"),
            target_folder: workspace::target_folder()?,
            path: env::split_paths(&path).collect(),
            system: PathBuf::from("/"),
            version,
            target,
            host,
            url,
        })
    }

    pub fn file_name(&self) -> String {
        file_name(&self.target)
    }

    /// What is known and kept of this version for this target.
    pub fn folder(&self) -> PathBuf {
        self.home.join(format!("{}-{}", self.version, self.target))
    }

    /// Sources, tools and objects while V8 is built; gone when the library is kept.
    pub fn workshop(&self) -> PathBuf {
        self.folder().join("build")
    }
}

/// All that the steps need to know.
pub struct Machine<'a> {
    pub runner: &'a dyn Runner,
    pub wishes: Wishes,
    pub places: Places,
}

/// `deno_core` turns on the crate's feature `simdutf`, hence that part of the name.
fn file_name(target: &str) -> String {
    format!("librusty_v8_simdutf_release_{target}.a.gz")
}

/// The crate's bindings of the same target, by the name that they have in its package and on a mirror.
pub fn bindings_name(target: &str) -> String {
    format!("src_binding_simdutf_release_{target}.rs")
}

pub fn url_of(mirror: Option<&str>, version: &str, file: &str) -> String {
    format!("{}/v{version}/{file}", mirror.unwrap_or(RELEASES))
}

/// The crate's rule for the name of a downloaded file in its cache.
pub fn cache_name(url: &str) -> String {
    url.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let line = lock.lines().skip_while(|line| *line != name).nth(1)?;
    line.strip_prefix("version = \"")?.strip_suffix('"')
}

fn host() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("rustc does not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    Ok(host.to_owned())
}

pub fn is_url(place: &str) -> bool {
    place.starts_with("http:") || place.starts_with("https:")
}

/// The size of a file as people read it.
pub fn mebibytes(file: &Path) -> String {
    fs::metadata(file).map_or_else(|_| "absent".to_owned(), |metadata| format!("{} MiB", metadata.len() >> 20))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A machine in a folder of its own, with nothing on it.
    pub fn places(folder: &Path) -> Places {
        let target = "x86_64-unknown-linux-gnu";
        let url = url_of(None, "150.4.0", &file_name(target));
        Places {
            version: "150.4.0".to_owned(),
            target: target.to_owned(),
            host: target.to_owned(),
            shared: folder.join("shared/v8"),
            cached: folder.join("cargo/.rusty_v8").join(cache_name(&url)),
            home: folder.join("cache/v8"),
            target_folder: folder.join("bylaw/target"),
            path: vec![folder.join("system/usr/bin")],
            system: folder.join("system"),
            url,
        }
    }

    #[test]
    fn the_version_is_the_locked_one() {
        let lock = "[[package]]\nname = \"v8-extra\"\nversion = \"9.9.9\"\n\n[[package]]\nname = \"v8\"\nversion = \"150.4.0\"\n";
        assert_eq!(locked_version(lock, "v8"), Some("150.4.0"));
        assert_eq!(locked_version(lock, "absent"), None);
    }

    #[test]
    fn the_cache_name_follows_the_crate() {
        let url = url_of(None, "150.4.0", &file_name("x86_64-unknown-linux-gnu"));
        assert_eq!(
            cache_name(&url),
            "https___github_com_denoland_rusty_v8_releases_download_v150_4_0_librusty_v8_simdutf_release_x86_64_unknown_linux_gnu_a_gz"
        );
    }

    #[test]
    fn a_mirror_and_another_processor_change_the_address_alone() {
        let url = url_of(Some("https://mirror.example.com/v8"), "150.4.0", &file_name("aarch64-unknown-linux-gnu"));
        assert_eq!(
            url,
            "https://mirror.example.com/v8/v150.4.0/librusty_v8_simdutf_release_aarch64-unknown-linux-gnu.a.gz"
        );
        assert_eq!(
            bindings_name("aarch64-unknown-linux-gnu"),
            "src_binding_simdutf_release_aarch64-unknown-linux-gnu.rs"
        );
    }
}
