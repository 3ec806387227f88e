//! `bylaw lint`: mistakes found before a cluster does.
//!
//! `rule` is the list of what is looked for, `pages/` what there is to say of each. `run` takes the policies as they were
//! loaded and applies `rules/` to them: to their code, read with its meaning by `code/`, and to what they want to be asked
//! about, which `anchors` finds in their sources. `kubernetes/` knows what a cluster has, `regex/` how long a regular
//! expression can take. What the user wants otherwise is in `levels` and `suppress`; `fix` mends.

mod anchors;
mod code;
mod error;
mod finding;
mod fix;
mod kubernetes;
mod levels;
mod manifest;
mod near;
mod played;
mod problems;
mod regex;
mod rule;
mod rules;
mod run;
mod source;
mod suppress;
mod typescript;

pub use error::LintError;
pub use finding::{Edit, Finding, FindingView};
pub(crate) use kubernetes::{groups_of_resource, plural_of_kind};
pub use played::{Played, play};
pub use rule::{Level, Rule};
pub use run::{Report, Settings, Subject, lint, lint_texts, mend};
