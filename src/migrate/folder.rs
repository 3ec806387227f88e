//! The folder that a migration fills: never over somebody's files unless told to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why the folder was not filled.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{} has files in it; give another folder, or --force to write over what it has", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} is no folder", .0.display())]
    NoFolder(PathBuf),
    #[error("cannot write {}: {cause}", path.display())]
    Unwritable { path: PathBuf, cause: io::Error },
}

/// The name of the folder for a policy: names come from manifests, and may be none that a file can have.
#[must_use]
pub fn folder_name(policy: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    let name: String = policy.chars().map(|letter| if is_plain(&letter) { letter } else { '_' }).collect();
    // Neither hidden, nor a way out of the folder.
    let hidden = name.len() - name.trim_start_matches('.').len();
    "_".repeat(hidden) + name.trim_start_matches('.')
}

/// A folder that may be written to.
#[derive(Debug)]
pub struct OutFolder(PathBuf);

impl OutFolder {
    /// # Errors
    /// Where there are files in it already and `force` is not given.
    pub fn open(path: &Path, force: bool) -> Result<Self, FolderError> {
        let unwritable = |cause| FolderError::Unwritable { path: path.to_owned(), cause };
        match fs::read_dir(path) {
            Ok(mut entries) => {
                if !force && entries.next().is_some() {
                    return Err(FolderError::NotEmpty(path.to_owned()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(FolderError::NoFolder(path.to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(path).map_err(unwritable)?,
            Err(error) => return Err(unwritable(error)),
        }
        Ok(Self(path.to_owned()))
    }

    /// The whole path of a file in it.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    /// Writes one file, by its path in the folder.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, file: &str, text: &str) -> Result<(), FolderError> {
        let path = self.path(file);
        let unwritable = |cause| FolderError::Unwritable { path: path.clone(), cause };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(unwritable)?;
        }
        fs::write(&path, text).map_err(|cause| FolderError::Unwritable { path, cause })
    }

    /// Takes away a file of an earlier run that this one has no use for.
    pub fn remove(&self, file: &str) {
        drop(fs::remove_file(self.path(file)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for (policy, folder) in
            [("a.b-c.d", "a.b-c.d"), ("../../x", "___.._x"), ("..", "__"), (".git", "_git"), ("a\\b\0ž", "a_b__")]
        {
            assert_eq!(folder_name(policy), folder);
        }
    }

    #[test]
    fn a_folder_with_files_is_refused_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("new");
        OutFolder::open(&inside, false).unwrap().write("a/b.ts", "x").unwrap();
        let told = OutFolder::open(&inside, false).unwrap_err().to_string();
        assert!(told.contains("has files in it") && told.contains("--force"), "{told}");
        OutFolder::open(&inside, true).unwrap().write("a/b.ts", "y").unwrap();
        assert_eq!(fs::read_to_string(inside.join("a/b.ts")).unwrap(), "y");
        let file = inside.join("a/b.ts");
        assert!(OutFolder::open(&file, true).unwrap_err().to_string().contains("is no folder"));
    }
}
