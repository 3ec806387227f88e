//! Everything that can go wrong between a policy and the objects of a cluster.

use std::path::PathBuf;

use thiserror::Error;

use crate::review::clip::quoted;

#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum ClusterError {
    #[error("cannot read kubeconfig {path}: {cause}: give an existing file with --kubeconfig")]
    Kubeconfig { path: PathBuf, cause: String },
    #[error("{path} has no context {}: its contexts are {known}", quoted(context))]
    UnknownContext { path: PathBuf, context: String, known: String },
    #[error("not inside a cluster: {0}: run in a pod with a service account, or give --kubeconfig FILE")]
    NotInCluster(String),
    #[error("cannot set up a client of the API server: {0}")]
    Client(String),
    #[error("cannot read inventory {path}: {cause}")]
    InventoryFile { path: PathBuf, cause: String },
    /// `line` and `column` count from 1; 0 where the parser cannot tell.
    #[error("{path}:{line}:{column}: {cause}")]
    InventoryObject { path: PathBuf, line: u64, column: u64, cause: String },
    #[error("{} is not {what}", quoted(value))]
    BadReference { what: &'static str, value: String },
    #[error("{kind} lives in a namespace: name the namespace too")]
    NamespaceRequired { kind: String },
    #[error("the cluster does not serve {kind}: check the spelling, or install its CRD")]
    UnknownKind { kind: String },
    /// What the API server answered, in its own words.
    #[error("{message}")]
    Api { code: u16, reason: String, message: String },
    #[error("no answer from the API server: {0}")]
    Unreachable(String),
    #[error("the API server did not answer before the deadline of the request")]
    Timeout,
    #[error("{kind} is not watched: {limit} kinds are already")]
    TooManyKinds { kind: String, limit: usize },
    #[error("{what} is larger than {limit} bytes")]
    TooLarge { what: String, limit: usize },
    #[error("{what} is not what Kubernetes would send: {cause}")]
    Malformed { what: String, cause: String },
}

impl ClusterError {
    /// One word for a policy to branch on: the API server's own `metav1.StatusReason` where it gave one.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Api { reason, .. } => reason,
            Self::BadReference { .. } => "BadRequest",
            Self::NamespaceRequired { .. } => "NamespaceRequired",
            Self::UnknownKind { .. } => "UnknownKind",
            Self::Unreachable(_)
            | Self::Kubeconfig { .. }
            | Self::UnknownContext { .. }
            | Self::NotInCluster(_)
            | Self::Client(_) => "Unreachable",
            Self::Timeout => "Timeout",
            Self::TooLarge { .. } | Self::TooManyKinds { .. } => "TooLarge",
            Self::Malformed { .. } | Self::InventoryFile { .. } | Self::InventoryObject { .. } => "Malformed",
        }
    }
}
