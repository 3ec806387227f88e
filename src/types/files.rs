//! Writes modules into a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::TypesError;

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    pub path: PathBuf,
    /// False where it was there and is the same.
    pub changed: bool,
}

/// Writes files under `folder`, which is made where it is missing. What is the same is left alone, so that nobody who
/// watches it is woken.
pub fn write_all(folder: &Path, files: &[(PathBuf, String)]) -> Result<Vec<Written>, TypesError> {
    files
        .iter()
        .map(|(name, text)| {
            let path = folder.join(name);
            let failed =
                |error: std::io::Error| TypesError::Unwritable { path: path.clone(), cause: error.to_string() };
            let changed = !fs::read(&path).is_ok_and(|known| known == text.as_bytes());
            if changed {
                fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
                fs::write(&path, text).map_err(failed)?;
            }
            Ok(Written { path, changed })
        })
        .collect()
}
