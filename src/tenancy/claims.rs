//! What an object of the host says of its origin: the marks that a syncer puts on what it copies. Anybody who may write
//! the object may write them, so they are claims, until the requester or the object before vouches for them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use memchr::memmem;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::names::{self, MANAGED_BY, PREFIX};
use super::vcluster::VirtualCluster;
use crate::review::JsonText;
use crate::review::only_object::OnlyObject;

/// The annotations that a syncer overwrites each time: the only ones that tell anything.
const OBJECT: &str = "vcluster.loft.sh/object-";

/// Metadata of one object, as far as it is about its origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The object's own.
    pub name: String,
    pub namespace: String,
    /// The label `managed-by`.
    managed_by: Option<String>,
    /// `vcluster.loft.sh/object-*`, without what they begin with.
    object: BTreeMap<String, String>,
}

impl Claims {
    /// The claims of an object; `None` where it makes none, which costs one search of its text.
    #[must_use]
    pub fn of(object: Option<&JsonText>) -> Option<Self> {
        let object = object?;
        // An API server writes slashes as they are.
        memmem::find(object.bytes(), PREFIX.as_bytes())?;
        let OnlyObject(Object { metadata }) = serde_json::from_str(object.as_str()).ok()?;
        let OnlyObject(Metadata { name, namespace, labels, annotations }) = metadata?;
        let of_object = |(key, value): (String, String)| Some((key.strip_prefix(OBJECT)?.to_owned(), value));
        let claims = Self {
            name: name.unwrap_or_default().into_owned(),
            namespace: namespace.unwrap_or_default().into_owned(),
            managed_by: labels
                .unwrap_or_default()
                .0
                .into_iter()
                .find(|(key, _)| key == MANAGED_BY)
                .map(|(_, value)| value),
            object: annotations.unwrap_or_default().0.into_iter().filter_map(of_object).collect(),
        };
        (claims.managed_by.is_some() || !claims.object.is_empty()).then_some(claims)
    }

    /// Whether there is nothing in it that the object before did not say already.
    #[must_use]
    pub fn is_within(&self, before: &Self) -> bool {
        let is_known = |(key, value): (&String, &String)| before.object.get(key) == Some(value);
        (self.managed_by.is_none() || self.managed_by == before.managed_by) && self.object.iter().all(is_known)
    }

    /// The tenant's name of the object; empty where nothing is claimed.
    #[must_use]
    pub fn object_name(&self) -> &str {
        self.text("name")
    }

    /// Its namespace in the virtual cluster; empty for what is in none.
    #[must_use]
    pub fn object_namespace(&self) -> &str {
        self.text("namespace")
    }

    /// Its uid there; empty while it is being created.
    #[must_use]
    pub fn object_uid(&self) -> &str {
        self.text("uid")
    }

    #[must_use]
    pub fn managed_by(&self) -> Option<&str> {
        self.managed_by.as_deref()
    }

    fn text(&self, key: &str) -> &str {
        self.object.get(key).map(String::as_str).unwrap_or_default()
    }

    /// Whether the syncer of `vcluster` would take the object for one of its own. `name` is the object's where the server
    /// has yet to write it there.
    #[must_use]
    pub fn fits(&self, vcluster: &VirtualCluster) -> bool {
        let VirtualCluster { name: vname, namespace: home, .. } = vcluster;
        let virtual_name = self.object_name();
        if virtual_name.is_empty() {
            return false;
        }
        let is_namespaced = !self.object_namespace().is_empty();
        let manager = if is_namespaced { vname.to_string() } else { names::cluster_scoped_manager(home, vname) };
        let is_managed = self.managed_by.as_deref() == Some(&*manager);
        let is_here = |key: &str, is: &str| self.object.get(key).is_none_or(|claimed| claimed == is);
        if !is_managed || !is_here("host-name", &self.name) || !is_here("host-namespace", &self.namespace) {
            return false;
        }
        if self.object.contains_key("host-name") {
            return true;
        }
        // Syncers of old do not say which object it is about: the name must follow from the tenant's.
        let host = if is_namespaced {
            names::host_name(virtual_name, self.object_namespace(), vname)
        } else {
            names::cluster_scoped_host_name(virtual_name, home, vname)
        };
        host == self.name
    }
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Option<OnlyObject<Metadata<'a>>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    labels: Option<Marks>,
    annotations: Option<Marks>,
}

/// The pairs of a map whose keys are a syncer's.
#[derive(Default)]
struct Marks(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Marks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Marks;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Marks, A::Error> {
                let mut marks = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key.starts_with(PREFIX) {
                        marks.push((key, map.next_value()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Marks(marks))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claims(object: &Value) -> Option<Claims> {
        Claims::of(Some(&JsonText::of(object)))
    }

    fn synced() -> Value {
        json!({"metadata": {
            "name": "web-x-team-a-x-tenant1", "namespace": "vc-tenant1",
            "labels": {"app": "web", "vcluster.loft.sh/managed-by": "tenant1", "vcluster.loft.sh/namespace": "team-a"},
            "annotations": {
                "vcluster.loft.sh/object-name": "web", "vcluster.loft.sh/object-namespace": "team-a",
                "vcluster.loft.sh/object-uid": "1", "vcluster.loft.sh/object-kind": "/v1, Kind=Pod",
                "vcluster.loft.sh/object-host-name": "web-x-team-a-x-tenant1",
                "vcluster.loft.sh/object-host-namespace": "vc-tenant1",
            },
        }})
    }

    fn with(change: impl FnOnce(&mut Value)) -> Claims {
        let mut object = synced();
        change(&mut object["metadata"]);
        claims(&object).unwrap()
    }

    fn vcluster(name: &str) -> VirtualCluster {
        VirtualCluster::new("vc-tenant1", name, None, "").unwrap()
    }

    #[test]
    fn only_marks_of_a_syncer_are_claims() {
        assert_eq!(Claims::of(None), None);
        for object in [
            json!({"metadata": {"name": "web", "labels": {"app": "web"}}}),
            json!({"metadata": {"name": "web", "annotations": {"vcluster.loft.sh/name": "web", "vcluster.loft.sh/uid": "1"}}}),
            json!({"metadata": {"name": "web", "labels": {"vcluster.loft.sh/namespace": "a"}}}),
            json!({"metadata": {"name": "web"}, "data": {"text": "vcluster.loft.sh/object-name"}}),
            json!({"kind": "PodExecOptions", "command": ["vcluster.loft.sh/"]}),
        ] {
            assert_eq!(claims(&object), None, "{object}");
        }
        assert!(claims(&json!({"metadata": {"labels": {"vcluster.loft.sh/managed-by": "a"}}})).is_some());
        let found = with(|_| {});
        assert_eq!((found.object_name(), found.object_namespace(), found.object_uid()), ("web", "team-a", "1"));
    }

    #[test]
    fn claims_fit_the_virtual_cluster_that_made_them_alone() {
        assert!(with(|_| {}).fits(&vcluster("tenant1")));
        assert!(!with(|_| {}).fits(&vcluster("tenant2")));
        let annotation =
            |key: &str, value: &str| with(|metadata| metadata["annotations"][format!("{OBJECT}{key}")] = value.into());
        assert!(!annotation("host-name", "other").fits(&vcluster("tenant1")));
        assert!(!annotation("host-namespace", "other").fits(&vcluster("tenant1")));
        assert!(!annotation("name", "").fits(&vcluster("tenant1")));
        assert!(!with(|metadata| metadata["name"] = "copy".into()).fits(&vcluster("tenant1")));
    }

    #[test]
    fn where_the_host_name_is_not_told_it_must_follow_from_the_tenants() {
        let old = |name: &str| {
            with(|metadata| {
                let annotations = metadata["annotations"].as_object_mut().unwrap();
                annotations.retain(|key, _| !key.contains("-host-"));
                metadata["name"] = name.into();
            })
        };
        assert!(old("web-x-team-a-x-tenant1").fits(&vcluster("tenant1")));
        assert!(!old("web-x-team-b-x-tenant1").fits(&vcluster("tenant1")));
    }

    #[test]
    fn what_is_in_no_namespace_is_managed_by_home_and_name() {
        let class = |manager: &str| {
            let name = "vcluster-fast-x-vc-tenant1-x-tenant1";
            claims(&json!({"metadata": {
                "name": name, "labels": {"vcluster.loft.sh/managed-by": manager},
                "annotations": {"vcluster.loft.sh/object-name": "fast", "vcluster.loft.sh/object-host-name": name},
            }}))
            .unwrap()
        };
        assert!(class("vc-tenant1-x-tenant1").fits(&vcluster("tenant1")));
        assert!(!class("vc-tenant2-x-tenant1").fits(&vcluster("tenant1")));
    }

    #[test]
    fn taking_a_claim_off_adds_none() {
        let before = with(|_| {});
        assert!(before.is_within(&before));
        assert!(with(|metadata| drop(metadata["labels"].take())).is_within(&before));
        assert!(!with(|metadata| metadata["labels"][MANAGED_BY] = "tenant2".into()).is_within(&before));
        let other = with(|metadata| metadata["annotations"]["vcluster.loft.sh/object-uid"] = "2".into());
        assert!(!other.is_within(&before) && !before.is_within(&other));
    }
}
