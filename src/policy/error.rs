//! Why policies could not be loaded.

use std::fmt;

use crate::bundle::{BundleError, Diagnostic};

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// From the top of the object: `spec.resources[0]`, `match.operations`.
    pub field: String,
    /// What is wrong, and the mend.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Why a policy, a file or a folder of them could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("{path}: no such file or folder; give a policy file, a folder of them, or a package folder")]
    Missing { path: String },
    #[error("{path}: cannot be read: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("{path}: is none of .ts, .mts, .js, .mjs, .yaml, .yml, .json, .tgz")]
    UnknownKind { path: String },
    #[error("{path}: more than {limit} files; give the folder that holds the policies, not one far above it")]
    TooManyFiles { path: String, limit: usize },
    /// A manifest that is not YAML or JSON.
    #[error("{0}")]
    Document(Box<Diagnostic>),
    #[error("{subject}: {}", join(errors))]
    Invalid { subject: String, errors: Vec<FieldError> },
    #[error("{0}")]
    Bundle(#[from] BundleError),
    /// The engine could not evaluate the module, or compile the script.
    #[error("{0}")]
    Inspection(Box<Diagnostic>),
    /// A JsPolicy that has no code of its own.
    #[error("JsPolicy {policy}: {reason}")]
    NoCode { policy: String, reason: String },
    /// Its packages are on their way.
    #[error("is being bundled with its packages; it is served as soon as they are there")]
    Pending,
    #[error("waits for {what}")]
    Awaited { what: String },
    #[error("{file}: {reason}")]
    NotAPolicy { file: String, reason: String },
    #[error("policies cannot be watched: {reason}")]
    Watch { reason: String },
}

impl PolicyError {
    /// Whether nothing is wrong: what it needs is on its way.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending | Self::Awaited { .. })
    }

    /// What it says of a place, where it is about one.
    #[must_use]
    pub fn diagnostic(&self) -> Option<&Diagnostic> {
        match self {
            Self::Document(diagnostic) | Self::Inspection(diagnostic) => Some(diagnostic),
            Self::Bundle(error) => error.diagnostic(),
            _ => None,
        }
    }
}

fn join(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
