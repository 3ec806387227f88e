//! V8's static library. The `v8` crate's build script downloads it unless the file is already in that crate's own cache
//! under Cargo's home; here it is put there from wherever else this machine has it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};

use crate::workspace;

const RELEASES: &str = "https://github.com/denoland/rusty_v8/releases/download";

/// Set for the file's own location: a path or a URL. The crate then looks nowhere else.
const ARCHIVE_VARIABLE: &str = "RUSTY_V8_ARCHIVE";

pub enum Archive {
    /// `cargo build` finds it at this path.
    Ready(PathBuf),
    /// The crate must download or build it; these places were looked at before.
    LeftToTheCrate { tried: Vec<String>, mend: String },
}

/// Puts the archive in the crate's cache unless it is there already.
pub fn provide() -> Result<Archive> {
    let lock = fs::read_to_string(workspace::root()?.join("Cargo.lock")).context("Cargo.lock")?;
    let version = locked_version(&lock, "v8").context("Cargo.lock names no package `v8`")?;
    let name = file_name(&target()?);
    let base = env::var("RUSTY_V8_MIRROR").unwrap_or_else(|_| RELEASES.to_owned());
    let url = format!("{base}/v{version}/{name}");
    let cached = workspace::cargo_home()?.join(".rusty_v8").join(cache_name(&url));
    let mut tried = Vec::new();

    match env::var(ARCHIVE_VARIABLE) {
        Ok(place) if place.starts_with("http:") || place.starts_with("https:") => {
            let mend = format!("{ARCHIVE_VARIABLE} names the URL {place}: is it right?");
            return Ok(Archive::LeftToTheCrate { tried, mend });
        }
        Ok(place) if !Path::new(&place).is_file() => {
            bail!("{ARCHIVE_VARIABLE} names {place}, which is not a file: correct or unset it")
        }
        Ok(place) => {
            if !cached.is_file() {
                place_atomically(Path::new(&place), &cached)?;
            }
            return Ok(Archive::Ready(cached));
        }
        Err(_) => tried.push(format!("{ARCHIVE_VARIABLE}: not set")),
    }

    if cached.is_file() {
        return Ok(Archive::Ready(cached));
    }
    tried.push(format!("{}: no such file", cached.display()));

    let shared = workspace::root()?.with_file_name("shared").join("v8");
    match verified(&shared, &name) {
        Ok(archive) => {
            place_atomically(&archive, &cached)?;
            eprintln!("V8: {} copied to {}", archive.display(), cached.display());
            return Ok(Archive::Ready(cached));
        }
        Err(reason) => tried.push(format!("{}: {reason:#}", shared.join(&name).display())),
    }

    let mend = format!(
        "get {url} on a machine that can, and set {ARCHIVE_VARIABLE} to that file or put it at {}; \
         or set V8_FROM_SOURCE=1 to build V8 (an hour or more)",
        cached.display()
    );
    Ok(Archive::LeftToTheCrate { tried, mend })
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

/// `deno_core` turns on the crate's feature `simdutf`, hence that part of the name.
fn file_name(target: &str) -> String {
    format!("librusty_v8_simdutf_release_{target}.a.gz")
}

/// The crate's rule for the name of a downloaded file in its cache.
fn cache_name(url: &str) -> String {
    url.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let line = lock.lines().skip_while(|line| *line != name).nth(1)?;
    line.strip_prefix("version = \"")?.strip_suffix('"')
}

fn target() -> Result<String> {
    if let Ok(target) = env::var("CARGO_BUILD_TARGET") {
        return Ok(target);
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("rustc does not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    Ok(host.to_owned())
}

/// The archive in `folder`, if it is there and `SHA256SUMS` beside it vouches for it.
fn verified(folder: &Path, name: &str) -> Result<PathBuf> {
    let archive = folder.join(name);
    let mut file = fs::File::open(&archive)?;
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).context("SHA256SUMS beside it cannot be read")?;
    let expected = sums.lines().find_map(|line| match line.split_once("  ") {
        Some((sum, of)) if of == name => Some(sum),
        _ => None,
    });
    let expected = expected.context("SHA256SUMS beside it does not name it")?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher)?;
    let actual = format!("{:x}", hasher.finalize());
    if actual != expected {
        bail!("its SHA-256 is {actual}, but SHA256SUMS beside it says {expected}");
    }
    Ok(archive)
}

/// A build at the same time must see the whole file or none.
fn place_atomically(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("the file has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let partial = folder.join(format!(".partial-{}", process::id()));
    let written = copy(from, &partial).and_then(|()| Ok(fs::rename(&partial, to)?));
    if written.is_err() {
        // What failed is reported; a leftover of it is not worth a second message.
        let _ = fs::remove_file(&partial);
    }
    written.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Not `fs::copy`: that would carry over a read-only mode.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut content = Vec::new();
    fs::File::open(from)?.read_to_end(&mut content)?;
    let mut file = fs::File::create(to)?;
    file.write_all(&content)?;
    Ok(file.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_locked_one() {
        let lock = "[[package]]\nname = \"v8-extra\"\nversion = \"9.9.9\"\n\n[[package]]\nname = \"v8\"\nversion = \"150.4.0\"\n";
        assert_eq!(locked_version(lock, "v8"), Some("150.4.0"));
        assert_eq!(locked_version(lock, "absent"), None);
    }

    #[test]
    fn the_cache_name_follows_the_crate() {
        let url = format!("{RELEASES}/v150.4.0/{}", file_name("x86_64-unknown-linux-gnu"));
        assert_eq!(
            cache_name(&url),
            "https___github_com_denoland_rusty_v8_releases_download_v150_4_0_librusty_v8_simdutf_release_x86_64_unknown_linux_gnu_a_gz"
        );
    }

    #[test]
    fn an_archive_is_taken_only_with_its_checksum() {
        let folder = env::temp_dir().join(format!("bylaw-xtask-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.gz"), "abc").unwrap();
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        fs::write(folder.join("SHA256SUMS"), format!("{sum}  a.gz\n")).unwrap();
        assert!(verified(&folder, "a.gz").is_ok());
        fs::write(folder.join("a.gz"), "abd").unwrap();
        let refused = verified(&folder, "a.gz").unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(refused.contains(sum), "{refused}");
    }
}
