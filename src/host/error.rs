//! What a policy is thrown when a call fails.

use std::fmt;

use crate::cluster::ClusterError;

/// Thrown into JavaScript as `{reason, message}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct HostError {
    /// One word to branch on: `PermissionDenied`, `WrongArguments`, `NotConnected`, `Timeout`, `TooLarge`, `FetchFailed`,
    /// `ReadFailed`, one of [`ClusterError::reason`], or the API server's own `metav1.StatusReason`.
    pub reason: String,
    /// What is wrong and what to do about it; never the content of an object or a file.
    pub message: String,
}

impl HostError {
    pub fn new(reason: &str, message: impl fmt::Display) -> Self {
        Self { reason: reason.to_owned(), message: message.to_string() }
    }

    pub(super) fn wrong_arguments(op: &str, cause: impl fmt::Display) -> Self {
        Self::new("WrongArguments", format!("{op}: {cause}"))
    }

    pub(crate) fn timeout() -> Self {
        Self::new("Timeout", "no answer before the deadline of the request")
    }

    pub(crate) fn internal() -> Self {
        Self::new("InternalError", "the host function broke off")
    }
}

impl From<ClusterError> for HostError {
    fn from(error: ClusterError) -> Self {
        Self::new(error.reason(), &error)
    }
}
