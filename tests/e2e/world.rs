//! The cluster that the tests share, and what becomes of a test where there is none.

use std::env;
use std::io::Write;
use std::sync::OnceLock;
use std::thread;

use super::api::Api;
use super::cluster::{Cluster, Identity};

/// A cluster and the way to it.
pub struct World {
    pub cluster: Cluster,
    pub api: Api,
}

impl World {
    /// A cluster of the test's own; none where there are no servers to start.
    pub fn start() -> Option<Self> {
        is_possible().then(|| Self::launch(None))
    }

    /// The same with an API server that shows this to webhooks.
    pub fn start_as(identity: &Identity) -> Option<Self> {
        is_possible().then(|| Self::launch(Some(identity)))
    }

    /// The same whose API server is given more.
    pub fn start_with(more: &[String]) -> Option<Self> {
        is_possible().then(|| {
            let cluster = Cluster::start_with(more).unwrap_or_else(|error| panic!("{error:#}"));
            let api = Api::of(&cluster);
            Self { cluster, api }
        })
    }

    /// The cluster of all tests that do it no harm. Its processes end with this one.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<World> = OnceLock::new();
        is_possible().then(|| SHARED.get_or_init(|| Self::launch(None)))
    }

    fn launch(identity: Option<&Identity>) -> Self {
        let cluster = Cluster::start_as(identity).unwrap_or_else(|error| panic!("{error:#}"));
        let api = Api::of(&cluster);
        Self { cluster, api }
    }
}

/// Whether there are servers to start. Where not, the running test is said to be skipped; on CI that is a failure: a build
/// that has lost its servers must not look like one that passes.
fn is_possible() -> bool {
    let Some(missing) = Cluster::missing() else { return true };
    assert!(env::var("CI").as_deref() != Ok("true"), "no test may be skipped on CI: {missing}");
    let test = thread::current().name().unwrap_or_default().to_owned();
    // Not eprintln!, which is shown for failed tests only.
    drop(writeln!(std::io::stderr(), "skipped {test}: {missing}"));
    false
}
