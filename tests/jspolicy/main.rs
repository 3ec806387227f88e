//! The proof that jsPolicy's manifests run here untouched: our own counterparts of its examples and a policy for each
//! of its globals, on the real binary over TLS. `README.md` lists what is kept and what is mended, and by which test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is nothing but tests"
)]

mod case;
mod checklist;
mod concurrency;
mod corpus;
mod expect;
mod fake_api;
mod http;
mod json_patch;
mod migration;
mod permissions;
#[path = "../support/server.rs"]
mod server;
mod servers;
mod shared_context;
mod web;

use servers::{on_cluster, on_inventory, on_matching};

/// One test for each file of `cases`, on the server that it needs.
macro_rules! corpus {
    ($($name:ident on $server:expr;)*) => {
        $(
            #[test]
            fn $name() {
                corpus::run(stringify!($name), $server);
            }
        )*
        /// A file that no test reads would look like one that passes.
        #[test]
        fn every_file_of_cases_is_run() {
            corpus::assert_files(&[$(stringify!($name)),*]);
        }
    };
}

corpus! {
    basics on on_inventory();
    by_feature on on_inventory();
    by_use_case on on_inventory();
    library on on_inventory();
    matching on on_matching();
    cluster on on_cluster();
    // One file for each global.
    allow on on_inventory();
    base64 on on_inventory();
    deny on on_inventory();
    engine on on_inventory();
    env on on_inventory();
    fetch_sync on on_inventory();
    get on on_inventory();
    internal on on_inventory();
    list on on_inventory();
    mutate on on_inventory();
    overwritten on on_inventory();
    print on on_inventory();
    read_file on on_inventory();
    request on on_inventory();
    requeue on on_inventory();
    response on on_inventory();
    sleep on on_inventory();
    thrown on on_inventory();
    timeout on on_inventory();
    violation_policy on on_inventory();
    warn on on_inventory();
    write on on_cluster();
}
