//! Whose request is it? One host serves many virtual clusters, and one policy is to guard them all.
//!
//! `vcluster` reads one virtual cluster from what the host shows of it, `registry` keeps all of them, `watch` keeps the
//! registry up to date. `claims` are the marks of a syncer on an object; `resolve` believes them where the requester is
//! that syncer, and finds the forged ones. `owner` says who owns a namespace, `guard` keeps the labels that decide it. What
//! comes of it is the `tenant` of design §5, and `view`: the object as the tenant knows it.
//!
//! `doors` let virtual clusters ask themselves, each by a token of its own; `inside` is what is known of who asks so, and
//! `upkeep` what is never refused there.

mod access;
mod alarm;
mod claims;
mod doors;
mod guard;
mod inside;
mod key;
pub mod mutations;
pub mod names;
mod offline;
mod owner;
mod places;
mod preflight;
pub mod registration;
mod registry;
mod resolve;
mod sightings;
mod tenant;
mod upkeep;
mod vcluster;
mod view;
mod watch;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch::{Receiver, Sender};

pub use self::watch::{RegistryWatch, watch};
pub use access::{Access, Register};
pub use claims::Claims;
pub use doors::{DoorKey, NoRandomness, Token};
pub use inside::{Inside, InsideLabels, InsideNamespaces, Proof, Told};
pub use key::{KEY_SECRET, KeyError, KeyWatch, key_of_cluster, key_of_folder};
pub use offline::{named, registry_of};
pub use owner::{BadTenant, TenantObject};
pub use preflight::{Attempt, Copied, Copies, Denials, Known, Print, Words, is_foreseen, print, project};
pub use registry::Registry;
pub use resolve::{Resolved, Synced};
pub use tenant::{Kind, Tenant};
pub use vcluster::{NotOne, State, VirtualCluster};

use crate::matching::MatchError;
use crate::review::{AdmissionRequest, Review};
use doors::{Doors, Strangers};
use guard::Guard;
use places::Places;

type Labels = Arc<BTreeMap<String, String>>;

/// The reason of a denial: an object that claims to be synced, and is not.
pub const FORGED: &str = "ForgedVirtualObject";

/// The reason of a denial: a label that decides who owns a namespace.
pub const GUARDED: &str = "GuardedLabel";

/// Who denies an object that only claims to be synced: in the form of a policy's name, and the name of a webhook.
pub const FORGED_OBJECTS: &str = "forged-objects.tenancy.bylaw.dev";

/// Who denies labels that decide who owns a namespace.
pub const OWNER_LABELS: &str = "owner-labels.tenancy.bylaw.dev";

/// A request that is refused before any policy is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In the form of a policy's name: where the reader of the denial looks for a policy.
    pub policy: &'static str,
    pub reason: &'static str,
    pub message: String,
    pub field: Option<&'static str>,
}

/// What is known of tenants. It answers from memory.
pub struct Tenancy {
    registry: ArcSwap<Registry>,
    /// Somebody has said which virtual clusters there are, if only that there are none.
    is_known: AtomicBool,
    /// Somebody is going to say.
    is_awaited: AtomicBool,
    generations: AtomicU64,
    has_tenants: Sender<bool>,
    places: Places,
    guard: Guard,
    doors: ArcSwap<Doors>,
    /// Held while the registry or the key changes.
    change: Mutex<()>,
    strangers: Strangers,
    inside: OnceLock<Arc<dyn InsideLabels>>,
    changed: tokio::sync::watch::Sender<u64>,
}

impl Default for Tenancy {
    fn default() -> Self {
        Self::guarded(Guard::default())
    }
}

impl Tenancy {
    /// Nothing is known yet. `admins` may label namespaces beside those who always may.
    ///
    /// # Errors
    /// For a name that is no pattern of users.
    pub fn new(admins: &[String]) -> Result<Self, MatchError> {
        Guard::with(admins).map(Self::guarded)
    }

    fn guarded(guard: Guard) -> Self {
        Self {
            registry: ArcSwap::default(),
            is_known: AtomicBool::new(false),
            is_awaited: AtomicBool::new(false),
            generations: AtomicU64::new(0),
            has_tenants: Sender::new(false),
            places: Places::default(),
            guard,
            doors: ArcSwap::default(),
            change: Mutex::default(),
            strangers: Strangers::default(),
            inside: OnceLock::new(),
            changed: tokio::sync::watch::Sender::new(0),
        }
    }

    /// From now on these are all.
    pub fn publish(&self, mut registry: Registry) {
        let _changing = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        registry.generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let has_tenants = registry.vclusters().len() > 0 || !registry.tenants().is_empty();
        let doors = self.doors.load();
        self.doors.store(Arc::new(Doors::new(doors.key().cloned(), &registry, &doors)));
        self.registry.store(Arc::new(registry));
        self.has_tenants.send_if_modified(|before| std::mem::replace(before, has_tenants) != has_tenants);
        self.is_known.store(true, Ordering::Release);
        self.changed.send_modify(|times| *times = times.wrapping_add(1));
    }

    /// Nothing is known any more: no request belongs to a tenant, and no mark of a syncer is refused.
    pub fn forget(&self) {
        self.is_known.store(false, Ordering::Release);
    }

    #[must_use]
    pub fn knows(&self) -> bool {
        self.is_known.load(Ordering::Acquire)
    }

    /// From now on what is not known yet is no sign that there is nothing to know.
    pub fn await_registry(&self) {
        self.is_awaited.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Acquire)
    }

    /// Whether there are any, as it was known last.
    #[must_use]
    pub fn has_tenants(&self) -> Receiver<bool> {
        self.has_tenants.subscribe()
    }

    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.load_full()
    }

    /// From now on tokens are drawn from this key.
    pub fn set_key(&self, key: DoorKey) {
        let _changing = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let doors = self.doors.load();
        self.doors.store(Arc::new(Doors::new(Some(Arc::new(key)), &self.registry.load(), &doors)));
        self.changed.send_modify(|times| *times = times.wrapping_add(1));
    }

    /// Told whenever the registry or the key is another.
    #[must_use]
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What tokens are drawn from, where that is known.
    #[must_use]
    pub fn key(&self) -> Option<Arc<DoorKey>> {
        self.doors.load().key().cloned()
    }

    /// The virtual cluster that asks with a token; a certificate with its identity proves more. `None` for a token that is
    /// none, and for the certificate of another.
    #[must_use]
    pub fn admit(&self, token: &str, certificate: Option<&str>) -> Option<Inside> {
        let vcluster = Arc::clone(self.doors.load().open(token)?);
        let proof = match certificate.and_then(identity) {
            None => Proof::Token,
            Some(place) if place == (&*vcluster.namespace, &*vcluster.name) => Proof::Certificate,
            Some(_) => return None,
        };
        Some(Inside { vcluster: Some(vcluster), proof, told: None })
    }

    /// Somebody came with what is no token.
    pub fn stranger(&self) {
        if let Some(times) = self.strangers.came(std::time::Instant::now()) {
            tracing::warn!(times, "somebody asks for a virtual cluster with a token that is none");
        }
    }

    /// Who asks through central admission; `None` where that does not ask. The namespace of the request is that of the
    /// virtual cluster on the host, and one namespace has one virtual cluster.
    #[must_use]
    pub fn central(&self, request: &AdmissionRequest) -> Option<Inside> {
        let told = Told::of(request)?;
        let registry = self.registry.load();
        let mut here = registry.in_namespace(&request.namespace);
        let vcluster = here.next().filter(|_| here.next().is_none()).cloned();
        Some(Inside { vcluster, proof: Proof::None, told: Some(told) })
    }

    /// Whether a request to a virtual cluster keeps it going, and is not judged.
    #[must_use]
    pub fn is_upkeep(request: &AdmissionRequest) -> bool {
        upkeep::is_upkeep(request)
    }

    /// Who looks into virtual clusters; only the first call counts.
    pub fn look_inside_by(&self, labels: Arc<dyn InsideLabels>) {
        drop(self.inside.set(labels));
    }

    #[must_use]
    pub fn inside_labels(&self) -> Option<&dyn InsideLabels> {
        self.inside.get().map(|labels| &**labels)
    }

    /// Why a request is refused whatever the policies say.
    #[must_use]
    pub fn refusal(&self, review: &Review, resolved: &Resolved) -> Option<Refusal> {
        if let Some(message) = &resolved.forged {
            return Some(Refusal {
                policy: FORGED_OBJECTS,
                reason: FORGED,
                message: message.clone(),
                field: Some("metadata.annotations"),
            });
        }
        if !self.knows() {
            return None;
        }
        let message = self.guard.minds(&review.request, &self.registry.load())?;
        Some(Refusal { policy: OWNER_LABELS, reason: GUARDED, message, field: Some("metadata.labels") })
    }
}

/// What the names of certificates of virtual clusters begin with; their namespace and name follow.
pub const IDENTITY: &str = "bylaw:vcluster:";

/// The virtual cluster that a certificate of this common name is for.
fn identity(common_name: &str) -> Option<(&str, &str)> {
    common_name.strip_prefix(IDENTITY)?.split_once(':')
}
