//! Which object a reservation is for, so that it and the object are never both counted.

use serde::Deserialize;

/// An object as a policy points to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ObjectRef {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub resource_version: String,
}

/// An object, in whatever version of its group it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `group/Kind/namespace/name`; empty where the object has no name yet.
    pub place: String,
    /// Empty where it is not known.
    pub uid: String,
    /// Its `resourceVersion`: those of one object grow. 0 where it is not known.
    pub version: u64,
}

impl From<ObjectRef> for Identity {
    fn from(object: ObjectRef) -> Self {
        let ObjectRef { api_version, kind, namespace, name, uid, resource_version } = object;
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let place = if name.is_empty() { String::new() } else { format!("{group}/{kind}/{namespace}/{name}") };
        Self { place, uid, version: resource_version.parse().unwrap_or_default() }
    }
}

impl Identity {
    /// The same object. Where either has no uid, what is at the same place is: of two objects of one name, one is gone.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        if self.uid.is_empty() || other.uid.is_empty() {
            return !self.place.is_empty() && self.place == other.place;
        }
        self.uid == other.uid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(api_version: &str, name: &str, uid: &str) -> Identity {
        let [kind, namespace] = ["Deployment", "shop"].map(str::to_owned);
        let (api_version, name, uid) = (api_version.to_owned(), name.to_owned(), uid.to_owned());
        ObjectRef { api_version, kind, namespace, name, uid, ..ObjectRef::default() }.into()
    }

    #[test]
    fn an_object_is_the_same_in_every_version_of_its_group() {
        assert!(identity("apps/v1", "a", "").is(&identity("apps/v1beta1", "a", "")));
        assert!(!identity("apps/v1", "a", "").is(&identity("v1", "a", "")));
        assert!(!identity("apps/v1", "a", "").is(&identity("apps/v1", "b", "")));
    }

    #[test]
    fn an_object_that_was_made_anew_is_another_one() {
        assert!(!identity("apps/v1", "a", "1").is(&identity("apps/v1", "a", "2")));
        assert!(identity("apps/v1", "a", "1").is(&identity("apps/v1", "a", "")));
        assert!(identity("apps/v1", "", "1").is(&identity("apps/v1", "a", "1")), "before it has a name");
        assert!(!identity("apps/v1", "", "").is(&identity("apps/v1", "", "")), "nothing is known of either");
    }
}
