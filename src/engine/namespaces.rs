//! The namespace of a review: looked up once, so that policies are told of the labels that they were matched by.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use lru::LruCache;

use crate::matching::NamespaceLabels;
use crate::review::{AdmissionRequest, Operation};

/// Namespaces that are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_023);

type Labels = Option<Arc<BTreeMap<String, String>>>;

/// The namespace of one review as it was known when the review came. What comes down the watch meanwhile is for the next.
#[derive(Clone)]
pub(super) struct Here<'a> {
    of: &'a dyn NamespaceLabels,
    name: &'a str,
    labels: Labels,
    /// It is there, or should be: only a namespace that is being made is not.
    exists: bool,
}

impl<'a> Here<'a> {
    pub(super) fn of(request: &'a AdmissionRequest, namespaces: &'a dyn NamespaceLabels) -> Self {
        let is_namespace = request.resource.resource == "namespaces" && request.sub_resource.is_empty();
        // The request of a Namespace carries its name in both fields, but a hand-made one may leave one out.
        let name = if is_namespace && request.namespace.is_empty() { &request.name } else { &request.namespace };
        let exists = !(is_namespace && request.operation == Operation::Create);
        Self { exists, ..Self::named(name, namespaces) }
    }

    /// The one of that name; none where it is empty.
    pub(super) fn named(name: &'a str, namespaces: &'a dyn NamespaceLabels) -> Self {
        let labels = if name.is_empty() { None } else { namespaces.labels(name) };
        Self { of: namespaces, name, labels, exists: true }
    }

    /// Whether there is something to look up: a namespace made a moment ago may not have come down the watch yet.
    pub(super) const fn is_unknown(&self) -> bool {
        self.exists && !self.name.is_empty() && self.labels.is_none()
    }

    /// Looks it up, and leaves half of the time to those who are to judge.
    pub(super) async fn look_up(&mut self, deadline: Instant) {
        let now = Instant::now();
        self.of.learn(self.name, now + deadline.saturating_duration_since(now) / 2).await;
        self.labels = self.of.labels(self.name);
    }
}

impl NamespaceLabels for Here<'_> {
    fn labels(&self, namespace: &str) -> Labels {
        if namespace == self.name { self.labels.clone() } else { self.of.labels(namespace) }
    }

    fn learn<'a>(&'a self, namespace: &'a str, deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.of.learn(namespace, deadline)
    }
}

/// `{"name": …, "labels": …}` by the name of the namespace.
pub(super) struct NamespaceTexts(Mutex<LruCache<Box<str>, Told>>);

struct Told {
    labels: Labels,
    text: Arc<str>,
}

impl Default for NamespaceTexts {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl NamespaceTexts {
    /// The same where nothing is matched by it: it is looked up for whoever is to be told.
    pub(super) async fn found(&self, here: &mut Here<'_>, deadline: Instant) -> Option<Arc<str>> {
        if here.is_unknown() {
            here.look_up(deadline).await;
        }
        self.of(here)
    }

    /// The text for one namespace; `None` for no namespace. Labels are left out where nothing tells them.
    pub(super) fn of(&self, here: &Here<'_>) -> Option<Arc<str>> {
        let (name, labels) = (here.name, &here.labels);
        if name.is_empty() {
            return None;
        }
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = texts.get(name)
            && told.labels == *labels
        {
            return Some(Arc::clone(&told.text));
        }
        let object = match labels {
            Some(labels) => serde_json::json!({ "name": name, "labels": &**labels }),
            None => serde_json::json!({ "name": name }),
        };
        let text: Arc<str> = Arc::from(object.to_string());
        texts.put(name.into(), Told { labels: labels.clone(), text: Arc::clone(&text) });
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_for_as_long_as_the_labels_are_what_they_were() {
        let texts = NamespaceTexts::default();
        let of = |labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            BTreeMap::from([("shop".to_owned(), Arc::new(labels))])
        };
        let text = |name: &str, labels: &[(&str, &str)]| {
            let known = of(labels);
            texts.of(&Here { of: &known, name, labels: known.labels(name), exists: true })
        };
        let first = text("shop", &[("a", "1")]).unwrap();
        assert_eq!(&*first, r#"{"name":"shop","labels":{"a":"1"}}"#);
        assert!(Arc::ptr_eq(&first, &text("shop", &[("a", "1")]).unwrap()));
        assert_eq!(&*text("shop", &[("a", "2")]).unwrap(), r#"{"name":"shop","labels":{"a":"2"}}"#);
        assert_eq!(&*text("other", &[]).unwrap(), r#"{"name":"other"}"#);
        assert_eq!(text("", &[]), None);
    }
}
