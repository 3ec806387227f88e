//! An npm tarball taken apart in memory, under caps. Nothing is written, nothing is run, nothing leads out of it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::caps::{Caps, MAX_PATH, RATIO_COUNTS_FROM};
use super::error::NpmError;

/// Files by their path inside the package. Of those that no import can lead to, only the names are known.
#[derive(Debug, Clone, Default)]
pub struct Files {
    pub texts: BTreeMap<PathBuf, Arc<[u8]>>,
    /// Bytes of all of them, those that were passed over included.
    pub unpacked: u64,
}

/// What can be imported, or says how.
const KEPT: [&str; 7] = ["js", "mjs", "cjs", "json", "ts", "mts", "cts"];

/// Takes `packed` apart; `package` is the name that errors show.
///
/// # Errors
/// Where it is damaged, leads out of its folder, holds links, or is more than the caps allow.
pub fn unpack(package: &str, packed: &[u8], caps: &Caps) -> Result<Files, NpmError> {
    let refused = |reason: String| NpmError::Tarball { package: package.to_owned(), reason };
    let too_large =
        |what: &str, limit| NpmError::TooLarge { package: package.to_owned(), what: what.to_owned(), limit };
    if packed.len() as u64 > caps.packed {
        return Err(too_large("the bytes of its tarball", caps.packed));
    }
    let by_ratio = (packed.len() as u64).saturating_mul(caps.ratio).max(RATIO_COUNTS_FROM);
    let (limit, what) = if by_ratio < caps.unpacked {
        (by_ratio, "the bytes that its tarball unpacks to, as decompression bombs do,")
    } else {
        (caps.unpacked, "the bytes that its tarball unpacks to")
    };
    let mut archive = Archive::new(Bounded { inner: MultiGzDecoder::new(packed), left: limit });
    let mut files = Files::default();
    let mut count = 0;
    let damaged = |error: io::Error| {
        if is_over(&error) { too_large(what, limit) } else { refused(format!("it is damaged: {error}")) }
    };
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        count += 1;
        if count > caps.files {
            return Err(too_large("its files", caps.files));
        }
        let raw = entry.path_bytes().into_owned();
        let name = String::from_utf8(raw).map_err(|_| refused("the name of a file is not UTF-8".to_owned()))?;
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Directory | EntryType::XGlobalHeader | EntryType::XHeader => continue,
            EntryType::Symlink | EntryType::Link => return Err(refused(format!("`{}` is a link", shown(&name)))),
            _ => return Err(refused(format!("`{}` is not a file", shown(&name)))),
        }
        let path = inside(&name, caps.depth).map_err(|reason| refused(format!("`{}` {reason}", shown(&name))))?;
        files.unpacked += entry.size();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !caps.keeps_all && !KEPT.contains(&extension) {
            continue;
        }
        let is_declaration = [".d.ts", ".d.mts", ".d.cts"].iter().any(|ending| name.ends_with(ending));
        let mut text = Vec::new();
        if caps.keeps_all || !is_declaration {
            entry.read_to_end(&mut text).map_err(damaged)?;
        }
        files.texts.insert(path, text.into());
    }
    if files.texts.is_empty() {
        return Err(refused("there is no file in it that could be imported".to_owned()));
    }
    Ok(files)
}

/// The path of a file without the folder that all of them are in (`package/`, by custom).
fn inside(name: &str, max_depth: usize) -> Result<PathBuf, String> {
    if name.len() > MAX_PATH {
        return Err(format!("is longer than {MAX_PATH} bytes"));
    }
    if name.contains(|character: char| character.is_control() || character == '\\') {
        return Err("has a name that leads elsewhere on some systems".to_owned());
    }
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err("leads out of the package".to_owned()),
            Component::RootDir | Component::Prefix(_) => return Err("is an absolute path".to_owned()),
        }
    }
    if parts.len() > max_depth {
        return Err(format!("is in more than {max_depth} folders"));
    }
    let path: PathBuf = parts.into_iter().skip(1).collect();
    if path.as_os_str().is_empty() { Err("is in no folder".to_owned()) } else { Ok(path) }
}

/// A name from outside, for a message.
fn shown(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(120).collect()
}

/// Ends a stream that goes on for too long.
struct Bounded<R> {
    inner: R,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("too long")]
struct Over;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(Over))?;
        Ok(read)
    }
}

/// The archive wraps what its stream says.
fn is_over(error: &io::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if error.is::<Over>() || inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<Over>) {
            return true;
        }
        cause = inner.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    false
}

#[cfg(test)]
#[path = "tarball_tests.rs"]
mod tests;
