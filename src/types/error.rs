//! Why there are no types.

use std::path::PathBuf;

use thiserror::Error;

#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum TypesError {
    #[error("{place}: {message}")]
    Definition { place: String, message: String },
    #[error("{what} has more than {limit} fields: leave some of the definitions out")]
    TooLarge { what: String, limit: usize },
    #[error("cannot list the cluster's CustomResourceDefinitions: {0}")]
    Cluster(String),
    #[error("cannot write {}: {cause}", path.display())]
    Unwritable { path: PathBuf, cause: String },
    /// A mistake of ours: the sources are built in.
    #[error("the SDK's own {file} cannot be made: {cause}")]
    Sdk { file: &'static str, cause: String },
}
