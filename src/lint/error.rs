//! Why nothing could be said.

use std::path::PathBuf;

use crate::bundle::BundleError;
use crate::policy::PolicyError;

/// Why `bylaw lint` could not run; what is wrong with a policy is a finding.
#[derive(Debug, thiserror::Error)]
pub enum LintError {
    #[error("{0}")]
    Policies(#[from] PolicyError),
    #[error("{0}")]
    Source(#[from] BundleError),
    #[error("{paths}: no policy is in there; give a policy file, a folder of them, or a package folder")]
    NoPolicies { paths: String },
    #[error("{0}")]
    Cases(#[from] crate::cases::CaseError),
    #[error("{}: `bylaw.lint`: {message}", path.display())]
    Configuration { path: PathBuf, message: String },
    #[error("{}: cannot be mended: {reason}", path.display())]
    Fix { path: PathBuf, reason: String },
}
