//! Bylaw on a real Kubernetes API server: etcd, kube-apiserver and kubectl as they are released, the real binary behind
//! them. Each test says what a user of the cluster, an author of policies or an operator can rely on.

#![allow(clippy::needless_pass_by_value, reason = "a test is to read as a sentence: what it makes it may give away")]
#![allow(clippy::duplicate_mod, reason = "each file of tests/support brings its lifeline along")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is nothing but tests"
)]

// What the tests stand on.
#[path = "../support/api.rs"]
mod api;
mod ask;
mod balancer;
mod bylaw;
#[path = "../support/cluster.rs"]
mod cluster;
mod install;
mod load;
mod objects;
mod policies;
mod replicas;
mod report_kinds;
#[path = "../support/server.rs"]
mod server;
mod world;

// The promises.
mod accounts;
mod audit;
mod background;
mod callers;
mod chart;
mod controllers;
mod custom_resources;
mod denials;
mod edits;
mod election;
mod exceptions;
mod failure_policy;
mod installation;
mod jspolicy_reads;
mod jspolicy_writes;
mod ledger;
mod multiplexing;
mod mutations;
mod operator;
mod own_kinds;
mod permissions;
mod replica_faults;
mod restart;
mod rights;
mod scan;
mod selectors;
mod shared_certificate;
mod starter_policies;
mod subresources;
mod tenancy;
mod versions;
mod violations;
mod warnings;
mod writes;
