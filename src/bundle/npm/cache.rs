//! Tarballs that were verified once, by their hash: restarts need no registry. Verified again whenever they are read.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::SystemTime;

use super::integrity::{Integrity, sha512};

/// A few hundred packages; what was used least lately goes first.
const MAX_BYTES: u64 = 512 << 20;

/// A folder of tarballs. Failing to keep one is nobody's error: it is fetched again.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

impl Cache {
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, limit: MAX_BYTES }
    }

    /// `$XDG_CACHE_HOME/bylaw/packages`, or `~/.cache/bylaw/packages`.
    #[must_use]
    pub fn default_folder() -> Option<PathBuf> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(base.join("bylaw/packages"))
    }

    /// The tarball with this hash. One that was changed since is none, and goes.
    #[must_use]
    pub fn get(&self, integrity: &Integrity) -> Option<Vec<u8>> {
        let path = self.path(integrity)?;
        let bytes = fs::read(&path).ok()?;
        if !integrity.matches(&bytes) {
            drop(fs::remove_file(&path));
            return None;
        }
        drop(fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now())));
        Some(bytes)
    }

    /// Keeps a tarball that was verified.
    pub fn put(&self, bytes: &[u8]) {
        let Some(path) = Integrity::parse(&sha512(bytes)).and_then(|integrity| self.path(&integrity)) else { return };
        let write = || -> io::Result<()> {
            fs::create_dir_all(&self.folder)?;
            let beside = path.with_extension(format!("part.{}", std::process::id()));
            let mut file = fs::File::create(&beside)?;
            file.write_all(bytes)?;
            fs::rename(&beside, &path).inspect_err(|_| drop(fs::remove_file(&beside)))
        };
        if !path.exists() && write().is_ok() {
            self.prune();
        }
    }

    fn path(&self, integrity: &Integrity) -> Option<PathBuf> {
        Some(self.folder.join(integrity.sha512_hex()?).with_extension("tgz"))
    }

    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let metadata = entry.metadata().ok()?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in files {
            if total <= self.limit {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                total -= length;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn integrity(bytes: &[u8]) -> Integrity {
        Integrity::parse(&sha512(bytes)).unwrap()
    }

    #[test]
    fn a_tarball_is_found_by_its_hash_and_only_whole() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("packages"));
        assert_eq!(cache.get(&integrity(b"one")), None);
        cache.put(b"one");
        assert_eq!(cache.get(&integrity(b"one")).as_deref(), Some(&b"one"[..]));
        let path = cache.path(&integrity(b"one")).unwrap();
        fs::write(&path, "other").unwrap();
        assert_eq!(cache.get(&integrity(b"one")), None);
        assert!(!path.exists());
    }

    #[test]
    fn what_was_used_least_lately_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { folder: folder.path().to_owned(), limit: 6 };
        for (age, bytes) in [(30, &b"one"[..]), (20, b"two"), (10, b"six")] {
            cache.put(bytes);
            let path = cache.path(&integrity(bytes)).unwrap();
            let file = fs::File::options().append(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        assert!(cache.get(&integrity(b"two")).is_some());
        cache.put(b"ten");
        let kept = |bytes: &[u8]| cache.path(&integrity(bytes)).unwrap().exists();
        assert_eq!([kept(b"one"), kept(b"two"), kept(b"six"), kept(b"ten")], [false, true, false, true]);
    }
}
