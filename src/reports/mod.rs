//! What is told in the cluster of denials: `JsPolicyViolations` as jsPolicy wrote them, policy reports, Events.
//!
//! Everything is bounded, so that a flood of denials never becomes a flood of writes: a `recorder` takes violations from
//! requests without waiting, the `ledger` keeps what is different, and the `writer` writes at the `pace` of a few a minute.
//! What is lost for that is counted (`bylaw_reports_dropped_total`).
//!
//! Every replica writes what it saw itself: a denial is known to the replica that gave it alone. What is there is read
//! first, merged with, and replaced only if nobody was quicker (`resourceVersion`), so replicas never lose each other's.
//! What exists already is judged in the `background`, by the replica that leads, or by each a part of it.

mod background;
mod events;
mod json;
mod ledger;
mod pace;
mod policy_report;
mod recorder;
mod remote;
mod scan_reports;
mod settings;
#[cfg(test)]
mod testing;
mod violation;
mod violations;
mod writer;

pub use background::{Background, Shard};
pub use ledger::ReportApi;
pub use recorder::Recorder;
pub use settings::{ReportKind, ReportSettings};
pub use violation::{Action, Asked, Violation};
pub use writer::{Reports, Sources};
