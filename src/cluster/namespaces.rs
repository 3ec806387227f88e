//! What namespaces are labelled with, for namespace selectors: of a cluster, of an inventory, or as a flag says.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tracing::warn;

use super::events::next_event;
use super::kind::path_segment;
use super::object::Labels;
use super::outage::Outage;
use super::{ClusterError, Inventory};
use crate::matching::{NAME_LABEL, NamespaceLabels};

/// Namespaces looked up at once; see [`ClusterNamespaces::ensure`].
const LIVE_LOOKUPS: usize = 8;

/// Namespaces without a cluster: labels from `--namespace-labels`, which describe whatever namespace is asked for, stand over
/// those of the inventory. Nothing is known of a namespace that neither describes.
#[derive(Debug, Default)]
pub struct OfflineNamespaces {
    pub given: BTreeMap<String, String>,
    pub inventory: Arc<Inventory>,
}

impl NamespaceLabels for OfflineNamespaces {
    fn labels(&self, namespace: &str) -> Option<Labels> {
        let known = self.inventory.namespace_labels(namespace);
        if self.given.is_empty() {
            return known;
        }
        let mut labels = known.map(Arc::unwrap_or_clone).unwrap_or_default();
        labels.extend(self.given.clone());
        labels.entry(NAME_LABEL.to_owned()).or_insert_with(|| namespace.to_owned());
        Some(Arc::new(labels))
    }
}

/// The namespaces of a cluster, watched; only their metadata is ever fetched. Dropping it ends the watch.
pub struct ClusterNamespaces {
    api: Api<Namespace>,
    known: Arc<RwLock<HashMap<String, Labels>>>,
    ready: watch::Receiver<bool>,
    /// A flood of reviews of namespaces that do not exist must not become a flood of requests.
    turns: Semaphore,
    lookups: Mutex<Outage>,
    task: AbortHandle,
}

impl ClusterNamespaces {
    #[must_use]
    pub fn watch(client: Client, runtime: &Handle) -> Self {
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
        let known = Arc::<RwLock<HashMap<String, Labels>>>::default();
        let (tell, ready) = watch::channel(false);
        let task = runtime.spawn(follow(api, known.clone(), tell)).abort_handle();
        Self {
            api: Api::all(client),
            known,
            ready,
            turns: Semaphore::new(LIVE_LOOKUPS),
            lookups: Mutex::default(),
            task,
        }
    }

    /// Whether all namespaces have been seen once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits for that; false where it took longer than `at_most`.
    pub async fn wait_until_ready(&self, at_most: Duration) -> bool {
        let mut ready = self.ready.clone();
        tokio::time::timeout(at_most, ready.wait_for(|ready| *ready)).await.is_ok_and(|ready| ready.is_ok())
    }

    /// Makes sure of one namespace before it is matched: one that was made a moment ago may not have come down the watch
    /// yet, and the API server asks at once about what is made in it. Free where it is known.
    ///
    /// # Errors
    /// Whatever the API server says but that there is no such namespace, which is no error: nothing is known of it then.
    pub async fn ensure(&self, namespace: &str, deadline: Instant) -> Result<(), ClusterError> {
        if namespace.is_empty() || self.labels(namespace).is_some() {
            return Ok(());
        }
        let name = path_segment("a namespace", namespace)?;
        let look_up = async {
            let _turn = self.turns.acquire().await;
            self.api.get_metadata_opt(name).await
        };
        let found = tokio::time::timeout_at(deadline.into(), look_up).await;
        let found = found.map_err(|_| ClusterError::Timeout)?.map_err(|error| match error {
            kube::Error::Api(status) => {
                ClusterError::Api { code: status.code, reason: status.reason.clone(), message: status.message.clone() }
            }
            other => ClusterError::Unreachable(other.to_string()),
        })?;
        if let Some(found) = found {
            let labels = labels_of(&found);
            // The watch may have been quicker, and what it says is newer.
            self.known.write().unwrap_or_else(PoisonError::into_inner).entry(found.name_any()).or_insert(labels);
        }
        Ok(())
    }
}

impl NamespaceLabels for ClusterNamespaces {
    fn labels(&self, namespace: &str) -> Option<Labels> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned()
    }

    fn learn<'a>(&'a self, namespace: &'a str, deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let looked_up = self.ensure(namespace, deadline).await;
            let mut outage = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
            match looked_up {
                Ok(()) => outage.recovered(),
                Err(error) => {
                    outage.failed(Instant::now());
                    // Once an outage: anyone who reaches the webhook can name namespaces at will.
                    if outage.is_new() {
                        warn!(namespace, %error, "the namespace of a request could not be looked up");
                    }
                }
            }
        })
    }
}

impl Drop for ClusterNamespaces {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    api: Api<PartialObjectMeta<Namespace>>,
    known: Arc<RwLock<HashMap<String, Labels>>>,
    ready: watch::Sender<bool>,
) {
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
    let mut listed = HashMap::new();
    let mut outage = Outage::default();
    let complain =
        |error: &watcher::Error| warn!(%error, "cannot watch namespaces: namespace selectors see old labels, or none");
    while let Some(event) = next_event(&mut events, &mut outage, complain).await {
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => listed = HashMap::new(),
            Event::InitApply(namespace) => drop(listed.insert(namespace.name_any(), labels_of(&namespace))),
            Event::InitDone => {
                *known = std::mem::take(&mut listed);
                ready.send_replace(true);
            }
            Event::Apply(namespace) => drop(known.insert(namespace.name_any(), labels_of(&namespace))),
            Event::Delete(namespace) => drop(known.remove(&namespace.name_any())),
        }
    }
}

fn labels_of(namespace: &PartialObjectMeta<Namespace>) -> Labels {
    Arc::new(namespace.metadata.labels.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn offline_labels_come_from_the_flag_then_the_inventory() {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"env": "test", "team": "x"}}});
        let inventory = Arc::new(Inventory::from_objects([namespace]).unwrap());
        let namespaces = OfflineNamespaces { given: labels(&[("env", "prod")]), inventory: inventory.clone() };
        assert_eq!(*namespaces.labels("a").unwrap(), labels(&[("env", "prod"), ("team", "x"), (NAME_LABEL, "a")]));
        assert_eq!(*namespaces.labels("b").unwrap(), labels(&[("env", "prod"), (NAME_LABEL, "b")]));
        let namespaces = OfflineNamespaces { given: BTreeMap::new(), inventory };
        assert_eq!(*namespaces.labels("a").unwrap(), labels(&[("env", "test"), ("team", "x"), (NAME_LABEL, "a")]));
        assert_eq!(namespaces.labels("b"), None);
    }
}
