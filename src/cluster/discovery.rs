//! Which path an API server serves a kind at, asked once and remembered for a while.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::api::ApiResource;
use lru::LruCache;

use super::limits::{DISCOVERED_KINDS, SERVED_FOR, UNSERVED_FOR};
use super::server::ApiServer;
use super::{ClusterError, Kind};

/// A kind as the API server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub kind: Kind,
    pub plural: String,
    pub namespaced: bool,
}

impl Resource {
    /// The path of one object, or of all of them; a cluster-scoped kind ignores the namespace, as does an empty one.
    pub fn path(&self, namespace: &str, name: Option<&str>) -> String {
        let mut path = group_path(&self.kind);
        if self.namespaced && !namespace.is_empty() {
            path.push_str("/namespaces/");
            push_segment(&mut path, namespace);
        }
        path.push('/');
        path.push_str(&self.plural);
        if let Some(name) = name {
            path.push('/');
            push_segment(&mut path, name);
        }
        path
    }

    pub fn api_resource(&self) -> ApiResource {
        ApiResource {
            group: self.kind.group().to_owned(),
            version: self.kind.version().to_owned(),
            api_version: self.kind.api_version().to_owned(),
            kind: self.kind.kind().to_owned(),
            plural: self.plural.clone(),
        }
    }
}

fn group_path(kind: &Kind) -> String {
    if kind.group().is_empty() {
        format!("/api/{}", kind.version())
    } else {
        format!("/apis/{}/{}", kind.group(), kind.version())
    }
}

/// Appends a name with everything escaped that would mean something in a URL.
fn push_segment(path: &mut String, segment: &str) {
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            path.push(char::from(byte));
        } else {
            path.push('%');
            for nibble in [byte >> 4, byte & 15] {
                path.extend(char::from_digit(u32::from(nibble), 16));
            }
        }
    }
}

/// What is remembered of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    Served(Arc<Resource>),
    Unserved,
    /// Not asked yet, or too long ago.
    Unasked,
}

pub struct Discovery {
    kinds: Mutex<Kinds>,
}

/// What was answered, and when.
type Kinds = LruCache<Kind, (Instant, Option<Arc<Resource>>)>;

impl Discovery {
    pub fn new() -> Self {
        let size = NonZeroUsize::new(DISCOVERED_KINDS).unwrap_or(NonZeroUsize::MIN);
        Self { kinds: Mutex::new(LruCache::new(size)) }
    }

    pub fn peek(&self, kind: &Kind) -> Known {
        match self.kinds().get(kind) {
            Some((asked, Some(resource))) if asked.elapsed() < SERVED_FOR => Known::Served(resource.clone()),
            Some((asked, None)) if asked.elapsed() < UNSERVED_FOR => Known::Unserved,
            _ => Known::Unasked,
        }
    }

    /// The resource of a kind; `None` where the server does not serve it.
    pub async fn resolve(&self, server: &ApiServer, kind: &Kind) -> Result<Option<Arc<Resource>>, ClusterError> {
        match self.peek(kind) {
            Known::Served(resource) => return Ok(Some(resource)),
            Known::Unserved => return Ok(None),
            Known::Unasked => {}
        }
        let resource = match server.get_path(&group_path(kind)).await {
            Ok(text) => find(&text, kind)?.map(Arc::new),
            Err(ClusterError::Api { code: 404, .. }) => None,
            Err(error) => return Err(error),
        };
        self.kinds().put(kind.clone(), (Instant::now(), resource.clone()));
        Ok(resource)
    }

    /// Asks again next time: the server answered as if it did not serve the kind.
    pub fn forget(&self, kind: &Kind) {
        self.kinds().pop(kind);
    }

    fn kinds(&self) -> MutexGuard<'_, Kinds> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(text: &str, kind: &Kind) -> Result<Option<Resource>, ClusterError> {
    let list: APIResourceList = serde_json::from_str(text)
        .map_err(|e| ClusterError::Malformed { what: format!("the API group of {kind}"), cause: e.to_string() })?;
    // `pods/status` has the kind Pod too.
    let found =
        list.resources.into_iter().find(|resource| resource.kind == kind.kind() && !resource.name.contains('/'));
    Ok(found.map(|resource| Resource { kind: kind.clone(), plural: resource.name, namespaced: resource.namespaced }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE: &str = r#"{"kind":"APIResourceList","groupVersion":"v1","resources":[
        {"name":"pods/status","singularName":"","namespaced":true,"kind":"Pod","verbs":["get"]},
        {"name":"pods","singularName":"pod","namespaced":true,"kind":"Pod","verbs":["get","list"]},
        {"name":"nodes","singularName":"node","namespaced":false,"kind":"Node","verbs":["get"]}]}"#;

    fn resource(kind: &str) -> Resource {
        find(CORE, &Kind::parse(kind).unwrap()).unwrap().unwrap()
    }

    #[test]
    fn finds_the_resource_and_not_its_subresource() {
        assert_eq!(resource("v1/Pod").plural, "pods");
        assert_eq!(find(CORE, &Kind::parse("v1/Widget").unwrap()).unwrap(), None);
    }

    #[test]
    fn makes_paths_that_a_name_cannot_leave() {
        assert_eq!(resource("v1/Pod").path("ns", Some("a")), "/api/v1/namespaces/ns/pods/a");
        assert_eq!(resource("v1/Pod").path("", None), "/api/v1/pods");
        assert_eq!(resource("v1/Node").path("ns", Some("n")), "/api/v1/nodes/n");
        assert_eq!(resource("v1/Pod").path("ns", Some("a/?#é b")), "/api/v1/namespaces/ns/pods/a%2f%3f%23%c3%a9%20b");
        let grouped = Resource {
            kind: Kind::parse("apps/v1/Deployment").unwrap(),
            plural: "deployments".into(),
            namespaced: true,
        };
        assert_eq!(grouped.path("a", None), "/apis/apps/v1/namespaces/a/deployments");
    }
}
