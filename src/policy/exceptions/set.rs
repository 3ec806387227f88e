//! All exceptions from one source: an immutable set, asked only where a policy has something to say against an object.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Exception, Pattern};
use crate::review::Review;

/// Exceptions of one namespace that are looked at: who may write them must not be able to slow down the answers of others.
pub const MOST_IN_NAMESPACE: usize = 200;

#[derive(Debug, Default)]
pub struct Exceptions {
    /// The policies that these may except from.
    allowed: Arc<[Pattern]>,
    by_namespace: HashMap<String, Vec<Arc<Exception>>>,
}

impl Exceptions {
    /// Those of a namespace count in the order of their names.
    #[must_use]
    pub fn new(allowed: Arc<[Pattern]>, exceptions: impl IntoIterator<Item = Arc<Exception>>) -> Self {
        let mut by_namespace = HashMap::<String, Vec<Arc<Exception>>>::new();
        for exception in exceptions {
            by_namespace.entry(exception.namespace.clone()).or_default().push(exception);
        }
        for (namespace, of_namespace) in &mut by_namespace {
            of_namespace.sort_by(|a, b| a.name.cmp(&b.name));
            if of_namespace.len() > MOST_IN_NAMESPACE {
                tracing::warn!(
                    namespace,
                    "has {} exceptions; the first {MOST_IN_NAMESPACE} by name count",
                    of_namespace.len()
                );
                of_namespace.truncate(MOST_IN_NAMESPACE);
            }
        }
        Self { allowed, by_namespace }
    }

    /// Those beside the policies: who writes there decides about the policies themselves.
    #[must_use]
    pub fn of_folder(exceptions: impl IntoIterator<Item = Arc<Exception>>) -> Self {
        Self::new(Pattern::parse("*").into_iter().collect(), exceptions)
    }

    /// The exception that keeps the policy's verdict from taking effect at `now`, in milliseconds since 1970.
    #[must_use]
    pub fn find(&self, policy: &str, review: &Review, now: i64) -> Option<&Arc<Exception>> {
        let of_namespace = self.by_namespace.get(&review.request.namespace)?;
        if !self.allowed.iter().any(|pattern| pattern.matches(policy)) {
            return None;
        }
        of_namespace.iter().find(|exception| exception.covers(policy, review, now))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_namespace.values().map(Vec::len).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_namespace.is_empty()
    }
}
