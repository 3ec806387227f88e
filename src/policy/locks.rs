//! `bylaw.lock`, beside the manifests that ask for packages. Where that folder cannot be written to (a `ConfigMap`, an
//! image), the user's cache folder has it instead.

use std::path::{Path, PathBuf};

use crate::bundle::content_hash;
use crate::bundle::npm::{Cache, LOCK_FILE, Lock, LockFile, NpmError};

/// The lock of one manifest.
pub(super) struct ManifestLock {
    path: PathBuf,
    manifest: String,
    folder: PathBuf,
    pub lock: Lock,
}

impl ManifestLock {
    /// # Errors
    /// Where there is one that cannot be read.
    pub(super) fn read(manifest: &Path) -> Result<Self, NpmError> {
        let folder = manifest.parent().unwrap_or(manifest).to_owned();
        let name = manifest.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let beside = folder.join(LOCK_FILE);
        let path = match elsewhere(&folder) {
            Some(other) if !beside.exists() && other.exists() => other,
            _ => beside,
        };
        let lock = LockFile::read(&path)?.of(&name);
        Ok(Self { path, manifest: name, folder, lock })
    }

    /// Keeps what was resolved. The message, if it could not be kept beside the manifest.
    pub(super) fn write(&self, lock: &Lock) -> Option<String> {
        if *lock == self.lock {
            return None;
        }
        let put = |path: &Path| -> Result<(), String> {
            let mut file = LockFile::read(path).map_err(|error| error.to_string())?;
            if file.put(&self.manifest, lock.clone(), |name| self.folder.join(name).exists()) {
                file.write(path).map_err(|error| error.to_string())?;
            }
            Ok(())
        };
        let Err(reason) = put(&self.path) else { return None };
        let elsewhere = elsewhere(&self.folder).filter(|path| {
            let folder = path.parent();
            *path != self.path
                && folder.is_some_and(|folder| std::fs::create_dir_all(folder).is_ok())
                && put(path).is_ok()
        });
        let kept = match elsewhere {
            Some(path) => format!("the versions of its packages are kept in {}", path.display()),
            None => "the next start may resolve other versions of its packages".to_owned(),
        };
        Some(format!("{LOCK_FILE} cannot be written beside it ({reason}): {kept}"))
    }
}

fn elsewhere(folder: &Path) -> Option<PathBuf> {
    let name = content_hash(&folder.to_string_lossy());
    Some(Cache::default_folder()?.parent()?.join("locks").join(name).with_extension("lock"))
}
