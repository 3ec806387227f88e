//! Certificates that all replicas share: one authority and one leaf in a Secret.
//!
//! Every replica watches the Secret and serves what it holds ([`follow`]), when clients trust it ([`succession`]). Whichever
//! replica comes first makes it; the one that leads heals it and renews it ahead of expiry ([`keep`]), in an order that
//! loses no request ([`plan`]). A Secret that somebody else renews, such as cert-manager, is only read.

mod disk;
mod files;
mod follow;
mod keep;
mod material;
mod plan;
#[cfg(test)]
mod plan_tests;
mod shown;
mod succession;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::sync::watch;

pub use files::watch_bundle;
pub use shown::{Configurations, Shown};

use super::{Leadership, watched};
use crate::http::{Checks, Serving};
use crate::telemetry::Metrics;
use disk::Disk;
use material::Material;
use plan::Terms;
use succession::Succession;

/// jsPolicy's, which is taken over in place.
pub const SECRET_NAME: &str = "jspolicy-webhook-cert";

/// A year: a key that leaked is of use for so long. Replacing it costs nobody anything.
pub const AUTHORITY_LIFE: Duration = Duration::from_hours(24 * 365);

/// As long as Let's Encrypt's.
pub const LEAF_LIFE: Duration = Duration::from_hours(24 * 90);

/// How long every API server may take to act on a webhook configuration that was stored. They watch them: seen are
/// milliseconds, and a second under load.
pub const PROPAGATION: Duration = Duration::from_secs(10);

/// Which Secret, and what is to be in it.
#[derive(Debug, Clone)]
pub struct AuthorityConfig {
    pub namespace: String,
    pub secret: String,
    /// Somebody else makes and renews it.
    pub is_foreign: bool,
    /// The names and addresses that API servers call.
    pub subjects: Vec<String>,
    pub authority_life: Duration,
    pub leaf_life: Duration,
    pub propagation: Duration,
    /// Keeps the last good certificate.
    pub state_dir: PathBuf,
}

/// The shared certificates of one replica.
pub struct Authority(Arc<Shared>);

/// What the tasks of a replica share.
struct Shared {
    secrets: Api<Secret>,
    config: AuthorityConfig,
    terms: Terms,
    disk: Disk,
    serving: Arc<Serving>,
    succession: Mutex<Succession>,
    seen: watch::Sender<Seen>,
    bundle: watch::Sender<Option<Arc<[u8]>>>,
    leadership: Leadership,
    shown: Arc<dyn Shown>,
    checks: Arc<Checks>,
    metrics: Arc<Metrics>,
}

/// The Secret as the watch saw it last.
#[derive(Debug, Clone)]
enum Seen {
    NotYet,
    Absent,
    There { secret: Box<Secret>, material: Arc<Material> },
}

impl Authority {
    /// `serving` is what the server was given as its source.
    #[must_use]
    pub fn new(
        client: Client,
        config: AuthorityConfig,
        serving: Arc<Serving>,
        leadership: Leadership,
        shown: Arc<dyn Shown>,
        checks: Arc<Checks>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let terms = Terms {
            subjects: config.subjects.clone(),
            authority_life: config.authority_life,
            leaf_life: config.leaf_life,
        };
        Self(Arc::new(Shared {
            secrets: Api::namespaced(client, &config.namespace),
            terms,
            disk: Disk::new(&config.state_dir),
            serving,
            succession: Mutex::new(Succession::new(config.propagation)),
            seen: watch::Sender::new(Seen::NotYet),
            bundle: watch::Sender::new(None),
            leadership,
            shown,
            checks,
            metrics,
            config,
        }))
    }

    /// The certificates in PEM that webhook configurations are to show as `caBundle`, now and whenever they change. `None`
    /// until they are known; empty where the certificate is of an authority that everybody trusts.
    #[must_use]
    pub fn bundle(&self) -> watch::Receiver<Option<Arc<[u8]>>> {
        self.0.bundle.subscribe()
    }

    /// Where the same stands in a file, once it is known.
    #[must_use]
    pub fn bundle_path(&self) -> PathBuf {
        self.0.disk.bundle_path()
    }

    /// Whether there is a certificate to serve within that time.
    pub async fn wait_until_serving(&self, at_most: Duration) -> bool {
        let mut bundle = self.bundle();
        tokio::time::timeout(at_most, bundle.wait_for(Option::is_some)).await.is_ok_and(|known| known.is_ok())
    }

    /// Follows the Secret and, on the replica that leads, keeps it. Never ends; to be dropped.
    pub async fn run(self) {
        let shared = self.0;
        let follow = watched::always("the watch on the shared certificate", || follow::follow(Arc::clone(&shared)));
        if shared.config.is_foreign {
            return follow.await;
        }
        let keep = watched::always("the renewal of the shared certificate", || keep::keep(Arc::clone(&shared)));
        tokio::join!(follow, keep);
    }
}

impl Shared {
    /// Whether it can be served, and by whom it is trusted is known.
    fn can_serve(&self, material: &Material) -> bool {
        let is_public = self.config.is_foreign && material.bundle.is_empty() && material.leaf.is_some();
        material.is_whole() || is_public
    }

    fn last_good(&self) -> Option<Arc<Material>> {
        self.succession().last_good().cloned()
    }

    fn succession(&self) -> std::sync::MutexGuard<'_, Succession> {
        self.succession.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// `namespace/name`.
    fn place(&self) -> String {
        format!("{}/{}", self.config.namespace, self.config.secret)
    }
}

fn clock() -> SystemTime {
    SystemTime::now()
}
