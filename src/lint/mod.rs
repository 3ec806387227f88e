//! `bylaw lint`: mistakes found before a cluster does.

mod anchors;
mod code;
mod error;
mod finding;
mod fix;
mod kubernetes;
mod levels;
mod near;
mod regex;
mod rule;
mod rules;
mod source;
mod suppress;

pub use error::LintError;
pub use finding::{Edit, Finding, FindingView};
pub use rule::{Level, Rule};
