//! What policies ask of a cluster: from memory where a watch keeps the kind there, from the API server where not.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use kube::Client;
use tokio::runtime::Handle;
use tracing::debug;

use super::discovery::{Discovery, Known, Resource};
use super::kind::path_segment;
use super::listeners::Listener;
use super::object::{Labels, StoredObject};
use super::reflect::{Followed, Reflection, Reflectors};
use super::server::ApiServer;
use super::{CacheLimits, ClusterError, Kind, Survey};

/// Where a read looks (jsPolicy's `options.cache`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheMode {
    /// In memory; live while the kind is not there yet.
    #[default]
    Cached,
    /// Always at the API server.
    Live,
    /// In memory first, and live where memory has nothing.
    Smart,
}

/// What memory alone can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peek<T> {
    Known(T),
    /// Only the API server can tell.
    Ask,
}

/// Which objects of a kind.
#[derive(Clone)]
pub struct ListQuery {
    /// `None` for all namespaces.
    pub namespace: Option<String>,
    /// The label selector as the API server reads it; `None` for all objects.
    pub label_selector: Option<String>,
    /// The same selector for objects in memory.
    pub fits: Arc<dyn Fn(&Labels) -> bool + Send + Sync>,
}

/// A change of one object. Texts are JSON, sent as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Create {
        namespace: String,
        object: String,
    },
    Update {
        namespace: String,
        name: String,
        object: String,
    },
    /// RFC 7386.
    MergePatch {
        namespace: String,
        name: String,
        patch: String,
    },
    /// RFC 6902.
    JsonPatch {
        namespace: String,
        name: String,
        patch: String,
    },
    /// Server-side apply (KEP-555).
    Apply {
        namespace: String,
        name: String,
        object: String,
        manager: String,
        /// Takes fields from whoever manages them.
        force: bool,
    },
    Remove {
        namespace: String,
        name: String,
    },
}

impl Write {
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Create { namespace, .. }
            | Self::Update { namespace, .. }
            | Self::MergePatch { namespace, .. }
            | Self::JsonPatch { namespace, .. }
            | Self::Apply { namespace, .. }
            | Self::Remove { namespace, .. } => namespace,
        }
    }

    /// `None` where the server chooses it, or reads it from the object.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Create { .. } => None,
            Self::Update { name, .. }
            | Self::MergePatch { name, .. }
            | Self::JsonPatch { name, .. }
            | Self::Apply { name, .. }
            | Self::Remove { name, .. } => Some(name),
        }
    }
}

/// A cluster behind its caches. Cheap to clone.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

/// Time to find out where a kind is served before anybody waits for it.
const PREPARE_WITHIN: Duration = Duration::from_secs(10);

struct Inner {
    server: ApiServer,
    discovery: Discovery,
    reflectors: Arc<Reflectors>,
    limits: CacheLimits,
}

impl Cluster {
    /// Watches run on `runtime`.
    #[must_use]
    pub fn new(client: Client, runtime: &Handle, limits: CacheLimits) -> Self {
        let reflectors = Reflectors::new(client.clone(), runtime, limits);
        Self(Arc::new(Inner { server: ApiServer { client }, discovery: Discovery::new(), reflectors, limits }))
    }

    /// Watches kinds before anybody asks for them, and keeps them however idle: those that the permissions of the loaded
    /// policies name. Each call replaces the kinds of the last. Kinds that are not served are tried on first use.
    pub async fn prepare(&self, kinds: HashSet<Kind>) {
        self.0.reflectors.pin(kinds.clone());
        for kind in kinds {
            match tokio::time::timeout(PREPARE_WITHIN, self.resolve(&kind)).await {
                Ok(Ok(resource)) => drop(self.watch(&resource)),
                Ok(Err(error)) => debug!(%kind, %error, "not watched ahead of time"),
                Err(_) => debug!(%kind, "not watched ahead of time: the API server does not answer"),
            }
        }
    }

    /// Tells a listener of all objects of a kind that there are, and then of each change. The watch is the one that policies
    /// read from.
    ///
    /// # Errors
    /// Where the server does not serve the kind, does not say, or too many kinds are watched.
    pub async fn follow(&self, kind: &Kind, listener: Weak<dyn Listener>) -> Result<Followed, ClusterError> {
        let resource = self.resolve(kind).await?;
        let full = || ClusterError::TooManyKinds { kind: kind.to_string(), limit: self.0.limits.kinds };
        Ok(Followed::new(self.watch(&resource).ok_or_else(full)?, listener))
    }

    /// What the server serves, asked anew each time.
    #[must_use]
    pub fn survey(&self) -> Survey {
        Survey::new(self.0.server.client.clone())
    }

    /// How long a watch may fail before it is not believed any more.
    #[must_use]
    pub fn stale(&self) -> Duration {
        self.0.limits.stale
    }

    /// Bytes and kinds that the caches hold, for metrics.
    #[must_use]
    pub fn cached(&self) -> (usize, usize) {
        self.0.reflectors.size()
    }

    /// One object, if memory can tell. Never waits.
    #[must_use]
    pub fn peek_get(&self, kind: &Kind, namespace: &str, name: &str, mode: CacheMode) -> Peek<Option<Arc<str>>> {
        let Some(reflection) = self.peek(kind, mode) else { return Peek::Ask };
        let Some(store) = reflection.synced(self.0.limits.stale) else { return Peek::Ask };
        let lacks_namespace = reflection.namespaced() && namespace.is_empty();
        match store.get(namespace, name) {
            None if mode == CacheMode::Smart || lacks_namespace => Peek::Ask,
            found => Peek::Known(found),
        }
    }

    /// Objects of the first of `kinds` that the server serves, if memory can tell. Never waits.
    #[must_use]
    pub fn peek_list(&self, kinds: &[Kind], query: &ListQuery, mode: CacheMode) -> Peek<Vec<Arc<str>>> {
        let in_question = |kind: &&Kind| self.0.discovery.peek(kind) != Known::Unserved;
        let reflection = kinds.iter().find(in_question).and_then(|kind| self.peek(kind, mode));
        let Some(reflection) = reflection else { return Peek::Ask };
        let Some(store) = reflection.synced(self.0.limits.stale) else { return Peek::Ask };
        match store.list(query.namespace.as_deref(), &*query.fits) {
            found if found.is_empty() && mode == CacheMode::Smart => Peek::Ask,
            found => Peek::Known(found),
        }
    }

    /// One object, from wherever it takes.
    pub async fn get(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        mode: CacheMode,
        deadline: Instant,
    ) -> Result<Option<Arc<str>>, ClusterError> {
        let resource = self.resolve(kind).await?;
        check(&resource, namespace, Some(name))?;
        self.fill(&resource, mode, deadline).await;
        let namespace = if resource.namespaced { namespace } else { "" };
        match self.peek_get(kind, namespace, name, mode) {
            Peek::Known(found) => Ok(found),
            Peek::Ask => {
                let found = self.0.server.get(&resource, namespace, name).await;
                Ok(self.heeded(kind, found)?.map(|object| object.text))
            }
        }
    }

    /// Objects of the first of `kinds` that the server serves, from wherever it takes.
    pub async fn list(
        &self,
        kinds: &[Kind],
        query: &ListQuery,
        mode: CacheMode,
        deadline: Instant,
    ) -> Result<Vec<Arc<str>>, ClusterError> {
        let resource = self.resolve_any(kinds).await?;
        if let Some(namespace) = &query.namespace {
            path_segment("a namespace", namespace)?;
        }
        self.fill(&resource, mode, deadline).await;
        let kind = std::slice::from_ref(&resource.kind);
        match self.peek_list(kind, query, mode) {
            Peek::Known(found) => Ok(found),
            Peek::Ask => {
                let (namespace, selector) = (query.namespace.as_deref(), query.label_selector.as_deref());
                let found = self.0.server.list(&resource, namespace, selector).await;
                Ok(self.heeded(&resource.kind, found)?.into_iter().map(|object| object.text).collect())
            }
        }
    }

    /// Changes an object and answers with it as the server has it now; `remove` may answer with a `Status`.
    pub async fn write(&self, kind: &Kind, write: &Write, dry_run: bool) -> Result<Arc<str>, ClusterError> {
        let resource = self.resolve(kind).await?;
        check(&resource, write.namespace(), write.name())?;
        let written = self.0.server.write(&resource, write, dry_run).await;
        let text = self.heeded(kind, written)?;
        let Ok(object) = StoredObject::from_text(&text, kind) else { return Ok(text.into()) };
        let text = object.text.clone();
        let keeps = !dry_run && !matches!(write, Write::Remove { .. });
        if let Some(reflection) = keeps.then(|| self.0.reflectors.watched(kind)).flatten()
            && reflection.synced(self.0.limits.stale).is_some()
            && reflection.store().insert_written(object).is_err()
        {
            debug!(%kind, "a written object did not fit into the cache");
        }
        Ok(text)
    }

    fn peek(&self, kind: &Kind, mode: CacheMode) -> Option<Arc<Reflection>> {
        (mode != CacheMode::Live).then(|| self.0.reflectors.watched(kind)).flatten()
    }

    /// Gives the cache of a kind a moment to fill, where it is to be read.
    async fn fill(&self, resource: &Resource, mode: CacheMode, deadline: Instant) {
        if mode == CacheMode::Live {
            return;
        }
        if let Some(reflection) = self.watch(resource) {
            let half_of_the_rest = deadline.saturating_duration_since(Instant::now()) / 2;
            reflection.settled(self.0.limits.first_sync.min(half_of_the_rest)).await;
        }
    }

    fn watch(&self, resource: &Resource) -> Option<Arc<Reflection>> {
        let reflection = self.0.reflectors.watch(resource);
        if reflection.is_none() {
            debug!(kind = %resource.kind, kinds = self.0.limits.kinds, "read live: too many kinds are in memory already");
        }
        reflection
    }

    async fn resolve(&self, kind: &Kind) -> Result<Arc<Resource>, ClusterError> {
        self.resolve_any(std::slice::from_ref(kind)).await
    }

    async fn resolve_any(&self, kinds: &[Kind]) -> Result<Arc<Resource>, ClusterError> {
        for kind in kinds {
            if let Some(resource) = self.0.discovery.resolve(&self.0.server, kind).await? {
                return Ok(resource);
            }
        }
        let kind = kinds.last().map(Kind::to_string).unwrap_or_default();
        Err(ClusterError::UnknownKind { kind })
    }

    /// Forgets where a kind was served when the answer says that it no longer is.
    fn heeded<T>(&self, kind: &Kind, answer: Result<T, ClusterError>) -> Result<T, ClusterError> {
        if matches!(answer, Err(ClusterError::UnknownKind { .. })) {
            self.0.discovery.forget(kind);
        }
        answer
    }
}

/// Refuses names that would be other paths, and objects of namespaces without one.
fn check(resource: &Resource, namespace: &str, name: Option<&str>) -> Result<(), ClusterError> {
    if let Some(name) = name {
        path_segment("a name", name)?;
    }
    if !resource.namespaced {
        return Ok(());
    }
    if namespace.is_empty() {
        return Err(ClusterError::NamespaceRequired { kind: resource.kind.to_string() });
    }
    path_segment("a namespace", namespace).map(drop)
}

#[cfg(test)]
mod tests;
