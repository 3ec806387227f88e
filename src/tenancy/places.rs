//! The tenants of namespaces: made once for as long as the labels of a namespace and the registry stay what they are.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::Labels;
use super::tenant::Tenant;

/// Namespaces that are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);

pub(super) struct Places(Mutex<LruCache<Box<str>, Known>>);

struct Known {
    labels: Option<Labels>,
    generation: u64,
    tenant: Arc<Tenant>,
}

impl Default for Places {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Places {
    pub(super) fn of(
        &self,
        namespace: &str,
        labels: Option<&Labels>,
        generation: u64,
        make: impl FnOnce() -> Arc<Tenant>,
    ) -> Arc<Tenant> {
        let is_same = |known: &Known| {
            let same_labels = match (&known.labels, labels) {
                (Some(known), Some(labels)) => Arc::ptr_eq(known, labels),
                (None, None) => true,
                _ => false,
            };
            same_labels && known.generation == generation
        };
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = places.get(namespace).filter(|known| is_same(known)) {
            return Arc::clone(&known.tenant);
        }
        let tenant = make();
        let known = Known { labels: labels.cloned(), generation, tenant: Arc::clone(&tenant) };
        places.put(namespace.into(), known);
        tenant
    }
}
