//! Bylaw as a part of its cluster: policies come from `JsPolicy` objects, and what follows from them is written back.
//!
//! Every replica reads and serves. Only the one that leads writes ([`Leadership`]): webhook configurations, bundles,
//! status, reports. [`lease`] elects it. [`authority`] keeps the certificates that all replicas share.

pub mod authority;
mod fault;
mod jitter;
mod leadership;
pub mod lease;
mod watched;

pub use leadership::{Leadership, Leading, NotLeading};
