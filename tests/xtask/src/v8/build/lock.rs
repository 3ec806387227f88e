//! One build of V8 at a time in one folder.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};

pub struct Lock(File);

impl Lock {
    /// Takes the lock of the folder, after whoever has it.
    pub fn wait(folder: &Path) -> Result<Self> {
        let file = open(folder)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("V8: another command builds it in {}; waiting for that", folder.display());
                file.lock().context("cannot wait for the other build")?;
            }
            Err(TryLockError::Error(error)) => return Err(error).context("the folder cannot be locked"),
        }
        Ok(Self(file))
    }

    /// The same lock for a program that is started, as its standard input: it is held as long as that program runs, should
    /// this one be killed before.
    pub fn share(&self) -> Result<Stdio> {
        Ok(self.0.try_clone()?.into())
    }

    pub fn is_held(folder: &Path) -> bool {
        open(folder).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }
}

fn open(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let options = File::options().create(true).truncate(false).write(true).open(&path);
    options.with_context(|| format!("cannot open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_lock_is_held_by_the_program_that_has_it_when_its_owner_is_gone() {
        let folder = TempDir::new().unwrap();
        assert!(!Lock::is_held(folder.path()));
        let lock = Lock::wait(folder.path()).unwrap();
        let mut child = Command::new("sleep").arg("60").stdin(lock.share().unwrap()).spawn().unwrap();
        drop(lock);
        assert!(Lock::is_held(folder.path()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!Lock::is_held(folder.path()));
    }
}
