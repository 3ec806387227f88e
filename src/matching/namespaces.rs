//! Namespace selectors, with the semantics of the API server (`k8s.io/apiserver`, predicates/namespace/matcher.go).

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::MatchError;
use super::facts::Facts;
use super::selector::{Labels, Selector};
use crate::review::Operation;

/// The label that the API server itself gives every namespace (KEP-2161).
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Where the labels of namespaces come from: a cluster, an inventory, a flag. Called on the path of a review, so it must
/// answer from memory.
pub trait NamespaceLabels: Send + Sync {
    /// `None` for a namespace that is not known.
    fn labels(&self, namespace: &str) -> Option<Arc<BTreeMap<String, String>>>;

    /// Looks up a namespace that [`labels`](Self::labels) does not know, where there is somewhere to look: a policy that
    /// selects by it could not be matched. Whatever goes wrong leaves it unknown.
    fn learn<'a>(&'a self, namespace: &'a str, deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let _ = (namespace, deadline);
        Box::pin(std::future::ready(()))
    }
}

impl NamespaceLabels for BTreeMap<String, Arc<BTreeMap<String, String>>> {
    fn labels(&self, namespace: &str) -> Option<Arc<BTreeMap<String, String>>> {
        self.get(namespace).cloned()
    }
}

/// Whether `selector` selects the namespace of the request: a namespaced object by its namespace's labels, a Namespace
/// by its own, and anything else that is cluster-scoped always.
pub(super) fn selects(selector: &Selector, facts: &Facts) -> Result<bool, MatchError> {
    let request = facts.request();
    let is_namespace = request.resource.resource == "namespaces";
    if request.namespace.is_empty() && !is_namespace {
        return Ok(true);
    }
    if is_namespace {
        let is_written =
            request.sub_resource.is_empty() && matches!(request.operation, Operation::Create | Operation::Update);
        let own = if is_written { facts.object_labels() } else { facts.old_object_labels() };
        if let Some(own) = own? {
            return Ok(selector.matches(&Named { name: facts.namespace_name(), labels: Some(own) }));
        }
    }
    let name = facts.namespace_name();
    let unknown = || MatchError::UnknownNamespace { namespace: name.to_owned() };
    selects_named(selector, name, facts.namespace_labels()).ok_or_else(unknown)
}

/// Whether a namespace is selected by its labels; `None` where they are needed and not known.
pub(super) fn selects_named(
    selector: &Selector,
    name: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> Option<bool> {
    let is_decidable = labels.is_some() || selector.looks_only_at(NAME_LABEL);
    is_decidable.then(|| selector.matches(&Named { name, labels }))
}

/// A namespace's labels, with the one that never fails to be there.
struct Named<'a, L> {
    name: &'a str,
    labels: Option<&'a L>,
}

impl<L: Labels> Labels for Named<'_, L> {
    fn get(&self, key: &str) -> Option<&str> {
        let implied = || (key == NAME_LABEL && !self.name.is_empty()).then_some(self.name);
        self.labels.and_then(|labels| labels.get(key)).or_else(implied)
    }
}
