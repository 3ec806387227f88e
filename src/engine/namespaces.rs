//! What policies are told of the namespace of a review: made once for as long as its labels stay what they are.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::matching::NamespaceLabels;

/// Namespaces that are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_023);

type Labels = Option<Arc<BTreeMap<String, String>>>;

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
    /// The text for one namespace; `None` for no namespace. Labels are left out where nothing tells them.
    pub(super) fn of(&self, name: &str, namespaces: &dyn NamespaceLabels) -> Option<Arc<str>> {
        if name.is_empty() {
            return None;
        }
        let labels = namespaces.labels(name);
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = texts.get(name)
            && told.labels == labels
        {
            return Some(Arc::clone(&told.text));
        }
        let object = match &labels {
            Some(labels) => serde_json::json!({ "name": name, "labels": &**labels }),
            None => serde_json::json!({ "name": name }),
        };
        let text: Arc<str> = Arc::from(object.to_string());
        texts.put(name.into(), Told { labels, text: Arc::clone(&text) });
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
        let first = texts.of("shop", &of(&[("a", "1")])).unwrap();
        assert_eq!(&*first, r#"{"name":"shop","labels":{"a":"1"}}"#);
        assert!(Arc::ptr_eq(&first, &texts.of("shop", &of(&[("a", "1")])).unwrap()));
        assert_eq!(&*texts.of("shop", &of(&[("a", "2")])).unwrap(), r#"{"name":"shop","labels":{"a":"2"}}"#);
        assert_eq!(&*texts.of("other", &of(&[])).unwrap(), r#"{"name":"other"}"#);
        assert_eq!(texts.of("", &of(&[])), None);
    }
}
