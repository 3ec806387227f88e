//! Bylaw: a Kubernetes admission webhook whose policies are JavaScript or TypeScript.
//!
//! A review flows through the folders in this order, and back through the first:
//!
//! ```text
//! http      TLS, limits, routes, drain
//! review    the AdmissionReview, its objects left as raw JSON
//! matching  which policies care
//! pool      queues and threads
//! worker    processes for policies that must not share one
//! isolate   V8: the only folder that knows it, and the only one with unsafe code
//! decision  verdicts merged, one minimal JSON patch
//! ```
//!
//! [`engine`] strings them together. Beside the path: `policy` (what is in force, and the folders it comes from),
//! `bundle` (TypeScript and npm made into one script), `host` (what a policy may ask of the world), `cluster` (the
//! objects it asks about), `controllers` (policies that no request asks), `operator` (what it writes into its own cluster), `crd` (the kinds that this is told with),
//! `rbac` (what it may do there), `tenancy` (whose request it is), `reports` (what is told there of denials), `telemetry`, and `cli`. For authors: `init`
//! (where they begin), `types` (what their editors know),
//! `lint` (mistakes found before a cluster does), `cases` (what policies are tested with), `scan` (what is there already).
#![deny(unsafe_code)]

pub mod bundle;
pub mod cases;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod controllers;
pub mod crd;
pub mod decision;
pub mod engine;
pub mod host;
pub mod http;
pub mod init;
pub mod isolate;
pub mod ledger;
pub mod lint;
pub mod matching;
pub mod migrate;
pub mod operator;
pub mod policy;
pub mod pool;
pub mod rbac;
pub mod reports;
pub mod review;
pub mod scan;
pub mod telemetry;
pub mod tenancy;
#[cfg(test)]
mod testing;
pub mod types;
pub mod worker;
