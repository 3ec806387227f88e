//! Bylaw as a part of its cluster: policies come from `JsPolicy` objects, and what follows from them is written back.
//!
//! Every replica reads and serves. Only the one that leads writes ([`Leadership`]): webhook configurations, bundles,
//! status, reports. [`lease`] elects it. [`authority`] keeps the certificates that all replicas share.
//!
//! ```text
//! follow   one watch           feed      `JsPolicy` objects, bundles, `ConfigMap`s  -> policy::live -> the loader
//! cache    what was last good  webhooks  the configurations               <- the catalog
//! status   what is said        writer    status, bundles, events          <- what became of each policy
//!                              exceptions  the status of each `PolicyException`
//! ```

pub mod authority;
pub mod bundles;
mod cache;
mod exceptions;
mod fault;
mod feed;
mod follow;
mod jitter;
mod leadership;
pub mod lease;
pub mod status;
mod watched;
pub mod webhooks;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use cache::Cache;
use exceptions::Exceptions;
pub(crate) use fault::reason;
use feed::{Feed, View};
pub use leadership::{Leadership, Leading, NotLeading};
use webhooks::{Keeper, Observed, Pace, Registration, Registry, Sources, Way, Write};
use writer::Writer;

use crate::controllers::Standings;
use crate::engine::Registered;
use crate::http::{Checks, Gate};
use crate::policy::live::Live;
use crate::policy::{Catalog, Pattern};

/// Who writes, as the API server keeps account of it.
pub const FIELD_MANAGER: &str = "bylaw";

/// How long the start waits for the cluster before it goes on with what is known.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// How often readiness looks at what the watches see.
const LOOK: Duration = Duration::from_secs(1);

/// The policies of a cluster, before anything is served.
pub struct Source {
    pub live: Live,
    client: Client,
    runtime: Handle,
    namespace: String,
    cache: Cache,
    /// Policies that were known from before the start.
    known: usize,
    feed: Option<Feed>,
}

impl Source {
    /// What was known when this replica ended. `namespace` is Bylaw's own.
    #[must_use]
    pub fn known(client: Client, runtime: &Handle, namespace: &str, state_dir: &Path) -> Self {
        let live = Live::default();
        let (cache, known) = Cache::load(state_dir, &live);
        let (runtime, namespace) = (runtime.clone(), namespace.to_owned());
        Self { live, client, runtime, namespace, cache, known, feed: None }
    }

    /// Starts watching, and waits until everything has been seen once, or until that may take longer than is good.
    pub async fn open(&mut self) {
        let feed = Feed::start(&self.client, &self.runtime, &self.live, &self.namespace);
        feed.settled(OPEN_WITHIN).await;
        if feed.view() == View::Open || matches!(feed.view(), View::Opening) {
            feed.opened(OPEN_WITHIN, &self.live).await;
        }
        self.feed = Some(feed);
    }

    /// Goes on with the engine in place.
    pub fn operate(self, duties: Duties) -> Operator {
        let Self { live, client, runtime, namespace, cache, known, feed } = self;
        let feed = feed.unwrap_or_else(|| Feed::start(&client, &runtime, &live, &namespace));
        let (tell, registry) = watch::channel(Registry::default());
        let (tell_open, is_open) = watch::channel(feed.view() == View::Open);
        let Duties { registration, catalogs, authority, leadership, has_tenants, .. } = duties;
        let Duties { allowed, checks, standings, register, .. } = duties;
        let standings = standings.unwrap_or_else(|| watch::Sender::new(Standings::default()).subscribe());
        let exceptions =
            Exceptions { client: client.clone(), leadership: leadership.clone(), catalogs: catalogs.clone(), allowed };
        register(Arc::default());
        let keeper = Keeper {
            registration,
            observed: Observed::start(&client, &runtime),
            live: live.clone(),
            write: Write::new(client.clone(), leadership.clone()),
            sources: Sources { catalogs, authority, leadership: leadership.clone(), is_open, has_tenants },
            tell,
            register,
            pace: Pace::default(),
            standing: None,
            aside: None,
            wanted: String::new(),
            is_registered: false,
            drawn: None,
            way: Way::default(),
        };
        let writer = Writer::new(client, live.clone(), leadership, (registry.clone(), standings));
        let tasks = vec![
            runtime.spawn(keeper.run()).abort_handle(),
            runtime.spawn(writer.run()).abort_handle(),
            runtime.spawn(exceptions.run()).abort_handle(),
            runtime.spawn(cache.keep(live)).abort_handle(),
            runtime.spawn(report(feed, known, tell_open, registry.clone(), checks)).abort_handle(),
        ];
        Operator { tasks, registry }
    }
}

/// What the operator needs of the rest.
pub struct Duties {
    pub registration: Registration,
    /// Each catalog once it is in force.
    pub catalogs: watch::Receiver<Arc<Catalog>>,
    /// The authority of the serving certificate in PEM; empty where clients trust it anyway, `None` until it is known.
    pub authority: watch::Receiver<Option<Arc<[u8]>>>,
    pub leadership: Leadership,
    /// Whether there are tenants to be kept apart.
    pub has_tenants: watch::Receiver<bool>,
    /// The policies that a `PolicyException` may except from.
    pub allowed: Arc<[Pattern]>,
    pub checks: Arc<Checks>,
    /// How controllers stand; `None` where none run.
    pub standings: Option<watch::Receiver<Standings>>,
    /// Tells the engine which webhook asks for each policy.
    pub register: Box<dyn Fn(Arc<Registered>) + Send + Sync>,
}

/// Everything that runs beside the server. Dropping it ends that; nothing is taken out of the cluster.
pub struct Operator {
    tasks: Vec<AbortHandle>,
    registry: watch::Receiver<Registry>,
}

impl Operator {
    /// What the configurations in the cluster show: the policies that are asked for, the authority that is trusted.
    #[must_use]
    pub fn registry(&self) -> watch::Receiver<Registry> {
        self.registry.clone()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Says in readiness what is seen of the cluster. A replica that has seen it once, or knows it from before, is ready: to
/// take it out of service for what ails the API server would end enforcement.
async fn report(
    feed: Feed,
    known: usize,
    is_open: watch::Sender<bool>,
    mut registries: watch::Receiver<Registry>,
    checks: Arc<Checks>,
) {
    let mut view = feed.watched();
    let mut ever = false;
    loop {
        view.borrow_and_update();
        let now = feed.view();
        ever |= now == View::Open;
        is_open.send_if_modified(|open| std::mem::replace(open, ever) != ever);
        let (result, details) = told(&now, ever, known);
        checks.set("cluster", Gate::Ready, result);
        checks.set_details("cluster", details);
        let registry = registries.borrow_and_update().clone();
        let unknown = || Err("the webhook configurations have not been seen yet".to_owned());
        // With the API server away they cannot be, and whoever calls has called before.
        let is_known = registry.is_known || !ever && known > 0;
        checks.set("webhooks", Gate::Ready, if is_known { Ok(()) } else { unknown() });
        let asked = format!("{} policies are asked for", registry.ready.len());
        checks.set_details("webhooks", registry.error.into_iter().chain([asked]).collect());
        let is_over = tokio::select! {
            changed = view.changed() => changed.is_err(),
            changed = registries.changed() => changed.is_err(),
            () = tokio::time::sleep(LOOK) => false,
        };
        if is_over {
            return;
        }
    }
}

fn told(view: &View, ever: bool, known: usize) -> (Result<(), String>, Vec<String>) {
    match view {
        View::Open => (Ok(()), Vec::new()),
        View::Opening if known == 0 => {
            (Err("the policies of the cluster have not been seen yet".to_owned()), Vec::new())
        }
        View::Lost { why, .. } if !ever && known == 0 => (Err(why.clone()), Vec::new()),
        View::Opening => (Ok(()), vec![from_before(known)]),
        View::Lost { why, .. } if ever => (Ok(()), vec![format!("{why}; what was seen last is enforced")]),
        View::Lost { why, .. } => (Ok(()), vec![why.clone(), from_before(known)]),
    }
}

fn from_before(known: usize) -> String {
    format!("the cluster has not been seen since the start: {known} policies are enforced as they were known before")
}
