//! Cases: how policies are tested (contract §4).
mod case;
mod error;
mod expect;
mod fields;
mod files;
pub use case::Case;
pub use error::{CaseError, Fault, Place};
