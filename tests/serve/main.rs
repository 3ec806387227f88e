//! The real binary over real TLS, without a cluster: what clients, policies and operators may do to it, well or badly,
//! and what it then owes them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is nothing but tests"
)]

// What the tests stand on.
mod client;
mod command;
mod folder;
mod load;
mod pair;
mod reviews;
#[path = "../support/server.rs"]
mod server;

// The promises.
mod bench_command;
mod bodies;
mod bundles;
mod certificates;
mod context;
mod enforcement;
mod failures;
mod host;
mod hot_reload;
mod isolation;
mod logs;
mod matching;
mod metrics;
mod migrate_command;
mod multiplexing;
mod mutation;
mod program;
mod realm;
mod review_command;
mod review_flags;
mod shutdown;
mod sockets;
mod sources;
mod start;
mod webhook_command;
mod workers;
mod workloads;
