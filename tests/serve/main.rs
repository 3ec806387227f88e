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
mod npm;
mod pair;
mod registry_server;
mod reviews;
#[path = "../support/server.rs"]
mod server;

// The promises.
mod bench_command;
mod bodies;
mod bundle_command;
mod bundles;
mod certificates;
mod context;
mod crd_command;
mod enforcement;
mod exceptions;
mod failures;
mod host;
mod host_mutations;
mod hot_reload;
mod image;
mod init_command;
mod isolation;
mod ledger;
mod lint_command;
mod lint_rules;
mod lint_tenants;
mod logs;
mod matching;
mod metrics;
mod migrate_command;
mod migrate_packages;
mod multiplexing;
mod mutation;
mod newcomer;
mod preflight;
mod program;
mod readme;
mod realm;
mod registry;
mod registry_hostile;
mod registry_locked;
mod review_command;
mod review_flags;
mod scan_command;
mod scan_inputs;
mod scan_outputs;
mod shutdown;
mod sockets;
mod sources;
mod start;
mod tenant_policies;
mod tenants;
mod test_bad_cases;
mod test_command;
mod test_watching;
mod types_command;
mod vcluster_command;
mod vcluster_route;
mod webhook_command;
mod workers;
mod workloads;
