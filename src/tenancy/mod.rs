//! Whose request is it? One host serves many virtual clusters, and one policy is to guard them all.
//!
//! `vcluster` reads one virtual cluster from what the host shows of it, `registry` keeps all of them, `watch` keeps the
//! registry up to date. `claims` are the marks of a syncer on an object; `resolve` believes them where the requester is
//! that syncer, and finds the forged ones. `owner` says who owns a namespace, `guard` keeps the labels that decide it. What
//! comes of it is the `tenant` of design §5, and `view`: the object as the tenant knows it.

mod claims;
mod guard;
pub mod mutations;
pub mod names;
mod offline;
mod owner;
mod places;
mod preflight;
mod registry;
mod resolve;
mod sightings;
mod tenant;
mod vcluster;
mod view;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::watch::{Receiver, Sender};

pub use claims::Claims;
pub use offline::{named, registry_of};
pub use owner::{BadTenant, TenantObject};
pub use preflight::{Attempt, Copied, Copies, Denials, Known, Print, Words, is_foreseen, print, project};
pub use registry::Registry;
pub use resolve::{Resolved, Synced};
pub use tenant::{Kind, Tenant};
pub use vcluster::{NotOne, State, VirtualCluster};
pub use watch::{RegistryWatch, watch};

use crate::matching::MatchError;
use crate::review::Review;
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
        }
    }

    /// From now on these are all.
    pub fn publish(&self, mut registry: Registry) {
        registry.generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let has_tenants = registry.vclusters().len() > 0 || !registry.tenants().is_empty();
        self.registry.store(Arc::new(registry));
        self.has_tenants.send_if_modified(|before| std::mem::replace(before, has_tenants) != has_tenants);
        self.is_known.store(true, Ordering::Release);
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
