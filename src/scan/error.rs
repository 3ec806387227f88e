//! What keeps a scan from being run, and what it passes over.

use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;

/// Nothing can be scanned.
#[derive(Debug, Error)]
pub enum ScanError {
    #[error("cannot read {path}: {cause}")]
    Path { path: PathBuf, cause: String },
    #[error("more than {limit} files: scan a part of them at a time")]
    TooManyFiles { limit: usize },
}

/// Something that could not be judged, and where it is. The rest is scanned all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// As it was named, or found below what was named.
    pub file: String,
    /// Both count from 1; 0 where it is the file as a whole.
    #[serde(skip_serializing_if = "is_unknown")]
    pub line: u64,
    #[serde(skip_serializing_if = "is_unknown")]
    pub column: u64,
    pub cause: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_unknown(number: &u64) -> bool {
    *number == 0
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {}", self.cause)
    }
}
