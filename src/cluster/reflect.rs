//! Watches that keep all objects of a kind in memory, started when a policy first asks for the kind.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::api::{Api, DynamicObject, TypeMeta};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::{debug, info, warn};

use super::discovery::Resource;
use super::listeners::{Listener, Listeners};
use super::object::StoredObject;
use super::outage::Outage;
use super::store::{Budget, Full, KindStore};
use super::{CacheLimits, Kind};

/// How far a watch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The first list is under way.
    Syncing,
    /// Everything is there.
    Synced,
    /// The first list failed, as it does where the role may not list the kind; it is tried again with back-off.
    Failed,
    /// The kind does not fit into the budget.
    TooLarge,
}

/// One watched kind.
pub struct Reflection {
    shared: Arc<Shared>,
    state: watch::Receiver<State>,
    used: AtomicU64,
    task: AbortHandle,
}

/// What a reflection and its task both hold; the task must not hold the reflection, whose drop ends it.
struct Shared {
    kind: Kind,
    namespaced: bool,
    store: KindStore,
    outage: Mutex<Outage>,
    /// Why the last attempt to list or watch failed.
    fault: Mutex<String>,
    listeners: Listeners,
}

impl Reflection {
    /// The store, where it is complete and its watch is not known to be broken.
    pub fn synced(&self, stale: Duration) -> Option<&KindStore> {
        let complete = *self.state.borrow() == State::Synced;
        (complete && !self.shared.outage().lasts_longer_than(stale, Instant::now())).then_some(&self.shared.store)
    }

    /// Waits until the first list has come, or failed, or the time is up.
    pub async fn settled(&self, at_most: Duration) {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| *state != State::Syncing);
        drop(tokio::time::timeout(at_most, settled).await);
    }

    pub fn store(&self) -> &KindStore {
        &self.shared.store
    }

    pub fn namespaced(&self) -> bool {
        self.shared.namespaced
    }
}

/// A kind that somebody is told of. It is watched for as long as this is kept.
pub struct Followed(Arc<Reflection>);

impl Followed {
    /// Tells the listener of all that is there, and then of each change. It may be told of an object twice.
    pub(super) fn new(reflection: Arc<Reflection>, listener: Weak<dyn Listener>) -> Self {
        let listener_now = listener.upgrade();
        reflection.shared.listeners.add(listener);
        let followed = Self(reflection);
        if let Some(listener) = listener_now {
            followed.tell_all(&*listener);
        }
        followed
    }

    /// Tells of all that is there once more.
    pub fn tell_all(&self, listener: &dyn Listener) {
        for object in self.0.shared.store.all() {
            listener.there(&self.0.shared.kind, &object);
        }
    }

    /// The object as it was last seen.
    pub fn get(&self, namespace: &str, name: &str) -> Option<StoredObject> {
        self.0.shared.store.find(namespace, name)
    }

    /// What keeps it from being seen as it is now.
    #[must_use]
    pub fn trouble(&self, stale: Duration) -> Option<Trouble> {
        let shared = &self.0.shared;
        let fault = || shared.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match *self.0.state.borrow() {
            State::Syncing => Some(Trouble::Opening),
            State::Failed => Some(Trouble::Failing(fault())),
            State::TooLarge => Some(Trouble::TooLarge),
            State::Synced => {
                let is_stale = shared.outage().lasts_longer_than(stale, Instant::now());
                is_stale.then(|| Trouble::Failing(fault()))
            }
        }
    }
}

/// Why a kind is not seen as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The first list is under way.
    Opening,
    /// It cannot be listed or watched, and this is why.
    Failing(String),
    /// There are more objects than are kept in memory.
    TooLarge,
}

impl Drop for Reflection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All watched kinds.
pub struct Reflectors {
    client: Client,
    runtime: Handle,
    limits: CacheLimits,
    budget: Arc<Budget>,
    started: Instant,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    kinds: HashMap<Kind, Arc<Reflection>>,
    /// Never dropped for idleness: a loaded policy names them.
    pinned: HashSet<Kind>,
}

impl Reflectors {
    /// Starts the task that drops idle kinds; it ends with the reflectors.
    pub fn new(client: Client, runtime: &Handle, limits: CacheLimits) -> Arc<Self> {
        let reflectors = Arc::new(Self {
            client,
            runtime: runtime.clone(),
            limits,
            budget: Arc::new(Budget::new(limits.bytes)),
            started: Instant::now(),
            watched: Mutex::default(),
        });
        runtime.spawn(sweep(Arc::downgrade(&reflectors)));
        reflectors
    }

    /// The reflection of a kind that is watched already.
    pub fn watched(&self, kind: &Kind) -> Option<Arc<Reflection>> {
        let reflection = self.lock().kinds.get(kind).cloned()?;
        reflection.used.store(self.now(), Ordering::Relaxed);
        Some(reflection)
    }

    /// The reflection of a kind, started if need be; `None` where too many kinds are watched.
    pub fn watch(&self, resource: &Resource) -> Option<Arc<Reflection>> {
        if let Some(reflection) = self.watched(&resource.kind) {
            return Some(reflection);
        }
        let mut watched = self.lock();
        if watched.kinds.len() >= self.limits.kinds && !watched.drop_least_used(self.now()) {
            return None;
        }
        let started = || Arc::new(self.start(resource));
        Some(watched.kinds.entry(resource.kind.clone()).or_insert_with(started).clone())
    }

    /// Names the kinds to keep however idle they are.
    pub fn pin(&self, kinds: HashSet<Kind>) {
        self.lock().pinned = kinds;
    }

    /// Bytes and kinds in memory.
    pub fn size(&self) -> (usize, usize) {
        (self.budget.used(), self.lock().kinds.len())
    }

    fn start(&self, resource: &Resource) -> Reflection {
        let (tell, state) = watch::channel(State::Syncing);
        let kind = resource.kind.clone();
        let store = KindStore::new(self.budget.clone());
        let shared = Arc::new(Shared {
            kind,
            namespaced: resource.namespaced,
            store,
            outage: Mutex::default(),
            fault: Mutex::default(),
            listeners: Listeners::default(),
        });
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource.api_resource());
        debug!(kind = %shared.kind, "watching");
        let task = self.runtime.spawn(reflect(api, shared.clone(), tell)).abort_handle();
        Reflection { shared, state, used: AtomicU64::new(self.now()), task }
    }

    fn drop_idle(&self) {
        let (now, idle) = (self.now(), self.limits.idle.as_secs());
        let mut watched = self.lock();
        let Watched { kinds, pinned } = &mut *watched;
        kinds.retain(|kind, reflection| {
            let keep = pinned.contains(kind)
                || is_followed(reflection)
                || now.saturating_sub(reflection.used.load(Ordering::Relaxed)) < idle;
            if !keep {
                info!(%kind, "no longer watching: not used for a while");
            }
            keep
        });
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Makes room for one kind more; a kind in use minutes ago is not traded for another, or two policies would take
    /// turns to list a whole cluster.
    fn drop_least_used(&mut self, now: u64) -> bool {
        const IN_USE_SECONDS: u64 = 600;
        let pinned = &self.pinned;
        let is_free = |(kind, one): &(&Kind, &Arc<Reflection>)| !pinned.contains(*kind) && !is_followed(one);
        let candidates = self.kinds.iter().filter(is_free);
        let ages =
            candidates.map(|(kind, reflection)| (now.saturating_sub(reflection.used.load(Ordering::Relaxed)), kind));
        let Some((age, kind)) = ages.max().map(|(age, kind)| (age, kind.clone())) else { return false };
        age > IN_USE_SECONDS && self.kinds.remove(&kind).is_some()
    }
}

/// Somebody keeps it, or reads it this moment.
fn is_followed(reflection: &Arc<Reflection>) -> bool {
    Arc::strong_count(reflection) > 1
}

/// Looks for idle kinds each minute, as jsPolicy did.
async fn sweep(reflectors: Weak<Reflectors>) {
    loop {
        tokio::time::sleep(Duration::from_mins(1)).await;
        let Some(reflectors) = reflectors.upgrade() else { return };
        reflectors.drop_idle();
    }
}

/// Follows one kind until it is aborted, or too large.
async fn reflect(api: Api<DynamicObject>, shared: Arc<Shared>, state: watch::Sender<State>) {
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
    let mut listed = Listing::default();
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                let pause = failed(&error, &shared, &state);
                tokio::time::sleep(pause).await;
                continue;
            }
        };
        if !matches!(event, Event::Init) {
            shared.outage().recovered();
        }
        if take(event, &shared, &mut listed, &state) == Err(Full) {
            warn!(kind = %shared.kind, "too many objects to keep in memory: reading them live from now on");
            shared.store.clear();
            state.send_replace(State::TooLarge);
            return;
        }
    }
}

/// A list that is still coming in.
#[derive(Default)]
struct Listing {
    objects: Vec<StoredObject>,
    bytes: usize,
}

fn take(
    event: Event<DynamicObject>,
    shared: &Shared,
    listed: &mut Listing,
    state: &watch::Sender<State>,
) -> Result<(), Full> {
    match event {
        Event::Init => *listed = Listing::default(),
        Event::InitApply(object) => {
            if let Some(object) = stored(object, &shared.kind) {
                listed.bytes += object.bytes();
                listed.objects.push(object);
                return if shared.store.fits(listed.bytes) { Ok(()) } else { Err(Full) };
            }
        }
        Event::InitDone => {
            let objects = std::mem::take(listed).objects;
            let news = (!shared.listeners.is_empty()).then(|| shared.store.difference(&objects));
            shared.store.replace(objects)?;
            let (changed, gone) = news.unwrap_or_default();
            let is_first = *state.borrow() != State::Synced;
            for object in &changed {
                shared.listeners.tell(|one| {
                    if is_first { one.there(&shared.kind, object) } else { one.changed(&shared.kind, object) }
                });
            }
            for object in &gone {
                shared.listeners.tell(|one| one.gone(&shared.kind, object));
            }
            if state.send_replace(State::Synced) != State::Synced {
                debug!(kind = %shared.kind, objects = shared.store.len(), bytes = shared.store.bytes(), "in memory");
            }
        }
        Event::Apply(object) => {
            if let Some(object) = stored(object, &shared.kind) {
                shared.store.insert(object.clone())?;
                shared.listeners.tell(|one| one.changed(&shared.kind, &object));
            }
        }
        Event::Delete(object) => {
            let revision = object.resource_version().and_then(|rv| rv.parse().ok()).unwrap_or(0);
            shared.store.remove(&object.namespace().unwrap_or_default(), &object.name_any(), revision);
            if let Some(object) = stored(object, &shared.kind) {
                shared.listeners.tell(|one| one.gone(&shared.kind, &object));
            }
        }
    }
    Ok(())
}

fn failed(error: &watcher::Error, shared: &Shared, state: &watch::Sender<State>) -> Duration {
    let mut outage = shared.outage();
    let pause = outage.watch_failed(error, Instant::now());
    *shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
    if outage.is_new() {
        warn!(kind = %shared.kind, %error, "cannot list and watch: trying again, and reading live if it goes on");
    } else {
        debug!(kind = %shared.kind, %error, "still cannot list and watch");
    }
    state.send_if_modified(|state| {
        let first = *state == State::Syncing;
        if first {
            *state = State::Failed;
        }
        first
    });
    pause
}

/// The object as text; a list leaves out what its items are.
fn stored(mut object: DynamicObject, kind: &Kind) -> Option<StoredObject> {
    object.types = Some(TypeMeta { api_version: kind.api_version().to_owned(), kind: kind.kind().to_owned() });
    object.metadata.managed_fields = None;
    let text = serde_json::to_string(&object).ok()?;
    let stored = StoredObject::from_text(&text, kind);
    stored.inspect_err(|error| warn!(%kind, %error, "left out of the cache")).ok()
}
