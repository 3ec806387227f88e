//! The folder that keeps Bylaw's own authority: private, written atomically, one writer at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::HttpError;

/// For keys.
pub(crate) const PRIVATE: u32 = 0o600;
/// For what everyone may read.
pub(crate) const PUBLIC: u32 = 0o644;

/// Whoever holds the lock makes one certificate, which takes milliseconds.
const LOCK_TIME: Duration = Duration::from_secs(5);

/// Makes the folder and those above it, mode 0700. An existing one is left as it is.
pub(crate) fn make_folder(folder: &Path) -> Result<(), HttpError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| HttpError::Write { path: folder.to_owned(), source })
}

/// Keeps other processes out of the folder until it is dropped: two servers that start at once must not both make an
/// authority.
pub(crate) fn lock(folder: &Path) -> Result<File, HttpError> {
    let path = folder.join("lock");
    let failed = |source| HttpError::Write { path: path.clone(), source };
    let file = OpenOptions::new().create(true).write(true).truncate(false).mode(PRIVATE).open(&path).map_err(failed)?;
    let given_up = Instant::now() + LOCK_TIME;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) if Instant::now() >= given_up => return Err(HttpError::Locked { path }),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Replaces a file as a whole: whoever reads it, or starts after a crash, sees the old content or the new one.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), HttpError> {
    let failed = |source| HttpError::Write { path: path.to_owned(), source };
    let temporary = temporary(path);
    let written = write_new(&temporary, content, mode).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(failed)?;
    // Without this the new name may be lost in a power failure, though the content is safe.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()).map_err(failed)
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    // A leftover of a crash would otherwise keep its own mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// In the same folder, because a rename does not cross file systems.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// Whether others than the owner may read or write a file.
pub(crate) fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// The content of a file, or `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, HttpError> {
    match fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(HttpError::Authority { path: path.to_owned(), reason: "it is not text".to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(HttpError::Read { what: "the authority", path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folder_and_keys_are_private_and_nothing_is_left_over() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        make_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        let path = folder.join("key");
        fs::write(temporary(&path), "left by a crash").unwrap();
        write(&path, b"one", PUBLIC).unwrap();
        write(&path, b"two", PRIVATE).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(!is_exposed(&path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(is_exposed(&path));
        assert_eq!(read(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_old_content() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("taken");
        make_folder(&path.join("by a folder")).unwrap();
        let error = write(&path, b"x", PRIVATE).unwrap_err().to_string();
        assert!(error.contains("taken") && error.contains("--state-dir"), "{error}");
        assert!(path.join("by a folder").is_dir());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_lock_keeps_others_out_until_it_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        let held = lock(root.path()).unwrap();
        let folder = root.path().to_owned();
        let other = thread::spawn(move || lock(&folder).map(|_| Instant::now()));
        thread::sleep(Duration::from_millis(100));
        let released = Instant::now();
        drop(held);
        assert!(other.join().unwrap().unwrap() >= released);
    }
}
