//! What Bylaw tells its operators: metrics, logs, and what policies print.
//!
//! Recording is an atomic add on a handle resolved beforehand; everything that costs (labels, text, `/proc`) happens
//! when someone scrapes. Cardinality is bounded by construction: policy, verdict, vantage, cause; never a
//! namespace, a user or an object.

mod console;
#[cfg(test)]
mod documented_tests;
mod error;
mod expose;
mod histogram;
mod labels;
mod ledger;
mod metrics;
mod policy;
mod process;
mod trace;
#[cfg(test)]
mod watched_tests;

pub use console::{Console, ConsoleLevel, ConsoleLimits};
pub use error::TelemetryError;
pub use expose::CONTENT_TYPE;
pub use histogram::Histogram;
pub use labels::{Certificate, Foretold, PolicyState, ReviewOutcome, Route, WorkerEnd};
pub use metrics::{Counter, Gauge, Metrics};
pub use policy::{Outcome, PolicyKind, PolicyMetrics, Reconciled};
pub use trace::{LogConfig, LogFormat, init};
