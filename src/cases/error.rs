//! What is wrong with cases: each fault with its place and its mend.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A place in a file of cases; lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: Arc<PathBuf>,
    /// The file as it is told.
    pub shown: Arc<str>,
    pub line: u64,
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, line, column, .. } = self;
        match line {
            0 => f.write_str(shown),
            _ => write!(f, "{shown}:{line}:{column}"),
        }
    }
}

/// One mistake in a file of cases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Fault {
    pub place: Place,
    pub message: String,
}

/// Why cases cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("{}", lines(.0))]
    Faults(Vec<Fault>),
    #[error("there are no cases beside the policies of {paths}: write them as cases/*.yaml in the folder of a policy")]
    NoCases { paths: String },
    #[error("cases are about requests, and there is no policy that is asked about any:{notes}")]
    NothingAsked { notes: String },
    #[error("no case's name has {filter:?} in it")]
    NothingLeft { filter: String },
    #[error("{0}")]
    Policies(String),
    #[error(transparent)]
    Policy(#[from] crate::policy::PolicyError),
    #[error(transparent)]
    Pool(#[from] crate::pool::PoolError),
    #[error("cannot write {path}: {reason}")]
    Unwritable { path: String, reason: String },
    #[error("the engine that runs the cases is gone")]
    Gone,
}

fn lines(faults: &[Fault]) -> String {
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    told.join("\n")
}
