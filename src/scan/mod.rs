//! Judging what is there already: manifests in files, or the objects of a live cluster, all policies over all of them.
//!
//! `files` finds the manifests, `chunks` cuts them into documents without holding a file, `objects` makes Kubernetes
//! objects of a document, `places` finds the line of a field again. A `finding` is what a policy has to say of one
//! object, `secrets` keeps the contents of Secrets out of it, `report` collects and writes them. Who asks the policies
//! is `crate::cli`.

mod chunks;
mod error;
mod files;
mod finding;
mod objects;
mod places;
pub mod report;
mod secrets;
mod targets;

pub use chunks::{Chunk, Chunks};
pub use error::{ScanError, Unreadable};
pub use files::{Source, find};
pub use finding::{Finding, Outcome, Place, Subject};
pub use objects::{Contents, Object, contents};
pub use places::{FieldPath, Wanted, lines};
pub use secrets::Contraband;
pub use targets::{Target, names_group, targets};
