//! Cases: how policies are tested (contract §4).
//!
//! `files` reads them, `case` and `expect` say what is in one, `suite` finds the policies that it is about; `stage` plays
//! it in the engine that serves, `check` compares, `update` writes down what came.

mod case;
mod check;
mod coverage;
mod diff;
mod error;
mod expect;
mod fields;
mod files;
mod request;
mod run;
mod stage;
mod suite;

pub use case::Case;
pub use check::Miss;
pub use coverage::{FileCoverage, Line, coverage, lcov, told};
pub use diff::Change;
pub use error::{CaseError, Fault, Place};
pub use run::{Played, Runner, SuiteResult};
pub use stage::{Came, Outcome, Stage, Twice};
pub use suite::{Collection, Suite, Test};
