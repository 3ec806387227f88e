//! The labels of namespaces inside of virtual clusters, for policies that select by them. They are the tenant's to choose, so
//! they are asked for when they are needed, and believed for a moment.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::client::Remote;
use super::clients::Clients;
use crate::tenancy::{InsideLabels, Labels, Register, VirtualCluster};

/// Namespaces that are remembered, over all virtual clusters.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(8_191);
/// How long labels are believed.
const BELIEVED: Duration = Duration::from_secs(10);
/// Namespaces looked up at once: a flood of reviews must not become a flood of requests.
const AT_ONCE: usize = 16;
/// Labels of one namespace are not kept beyond that.
const MOST_BYTES: usize = 64 * 1024;

type Key = (Arc<str>, Arc<str>, Box<str>);

/// Looks them up with the clients of registrations.
pub struct ClientLabels {
    clients: Clients,
    known: Mutex<LruCache<Key, (Labels, Instant)>>,
    turns: Semaphore,
}

impl ClientLabels {
    #[must_use]
    pub fn new(clients: Clients) -> Self {
        Self { clients, known: Mutex::new(LruCache::new(REMEMBERED)), turns: Semaphore::new(AT_ONCE) }
    }

    async fn look_up(&self, vcluster: &VirtualCluster, namespace: &str) -> Option<Labels> {
        let _turn = self.turns.acquire().await.ok()?;
        let remote: Remote = self.clients.of(vcluster).await.ok()?;
        let object = remote.get(&format!("/api/v1/namespaces/{namespace}")).await.ok()?;
        labels_of(&object, namespace)
    }
}

/// Nothing of an answer that is about something else.
fn labels_of(object: &Value, namespace: &str) -> Option<Labels> {
    if object.pointer("/metadata/name")?.as_str()? != namespace {
        return None;
    }
    let all = object.pointer("/metadata/labels").and_then(Value::as_object);
    let labels: std::collections::BTreeMap<String, String> =
        all.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    let bytes: usize = labels.iter().map(|(key, value)| key.len() + value.len()).sum();
    (bytes <= MOST_BYTES).then(|| Arc::new(labels))
}

fn key(vcluster: &VirtualCluster, namespace: &str) -> Key {
    (Arc::clone(&vcluster.namespace), Arc::clone(&vcluster.name), namespace.into())
}

impl InsideLabels for ClientLabels {
    fn labels(&self, vcluster: &VirtualCluster, namespace: &str) -> Option<Labels> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (labels, at) = known.get(&key(vcluster, namespace))?;
        (at.elapsed() < BELIEVED).then(|| Arc::clone(labels))
    }

    fn learn<'a>(
        &'a self,
        vcluster: &'a VirtualCluster,
        namespace: &'a str,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let is_registered = vcluster.access.as_ref().is_some_and(|access| access.register == Register::Webhook);
            let is_name = !namespace.is_empty()
                && namespace.len() <= 63
                && namespace.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if !is_registered || !is_name {
                return;
            }
            let found = tokio::time::timeout_at(deadline.into(), self.look_up(vcluster, namespace)).await;
            if let Ok(Some(labels)) = found {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.put(key(vcluster, namespace), (labels, Instant::now()));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_about_something_else_tells_nothing() {
        let namespace = |name: &str| json!({"metadata": {"name": name, "labels": {"stage": "prod", "odd": 7}}});
        let labels = labels_of(&namespace("team-a"), "team-a").unwrap();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [(&"stage".to_owned(), &"prod".to_owned())]);
        assert_eq!(labels_of(&namespace("team-b"), "team-a"), None);
        assert_eq!(labels_of(&json!({"kind": "NamespaceList"}), "team-a"), None);
        let huge = json!({"metadata": {"name": "a", "labels": {"x": "y".repeat(MOST_BYTES)}}});
        assert_eq!(labels_of(&huge, "a"), None);
    }
}
