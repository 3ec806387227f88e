//! Why no package was made.

use std::path::PathBuf;

use thiserror::Error;

use crate::types::TypesError;

#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum InitError {
    #[error("package name {name:?} {fault}: give another with --name, such as {suggestion:?}")]
    Name { name: String, fault: &'static str, suggestion: String },
    #[error("policy name {name:?} {fault}: give another with --policy, such as {suggestion:?}")]
    Policy { name: String, fault: &'static str, suggestion: String },
    #[error("{} is not empty: it has {found:?}; give a folder that is new, or --force to add what is missing", path.display())]
    NotEmpty { path: PathBuf, found: String },
    #[error("{} would be overwritten: nothing was written", path.display())]
    Exists { path: PathBuf },
    #[error("{} is not a folder", path.display())]
    NotAFolder { path: PathBuf },
    #[error("cannot write {}: {cause}", path.display())]
    Unwritable { path: PathBuf, cause: String },
    #[error(transparent)]
    Sdk(#[from] TypesError),
}
