//! Writing files as a whole: whoever reads one, or comes after a crash, sees the old content or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::ArtifactError;

/// Replaces a file.
///
/// # Errors
/// Where the folder cannot be written to; then the old content is still there.
pub fn write(path: &Path, content: &[u8]) -> Result<(), ArtifactError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written.map_err(|error| ArtifactError::Unwritable(error.to_string()))
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    // Never through a link that somebody laid there.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_fails_keeps_what_was_there_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.js");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let taken = folder.path().join("taken.js");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("inside"), "").unwrap();
        assert!(matches!(write(&taken, b"x"), Err(ArtifactError::Unwritable(_))));
        assert!(matches!(write(&folder.path().join("no/folder.js"), b"x"), Err(ArtifactError::Unwritable(_))));
        assert!(taken.join("inside").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
