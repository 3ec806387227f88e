//! Reads the labels of an object out of its text, without a tree.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::selector::Labels;
use crate::review::JsonText;
use crate::review::only_object::OnlyObject;

/// `metadata.labels`, borrowed from the object's text where it has no escapes.
#[derive(Debug, Default)]
pub(crate) struct ObjectLabels<'a>(Vec<(Text<'a>, Text<'a>)>);

impl Labels for ObjectLabels<'_> {
    /// The last of several equal keys counts, as it does for JavaScript and Go.
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(other, _)| *other.0 == *key).map(|(_, value)| &*value.0)
    }
}

/// The labels of `object`; `None` when it has no metadata and so can not be selected, as `PodExecOptions`.
///
/// # Errors
/// A text that never repeats what it found.
pub(crate) fn read(object: &JsonText) -> Result<Option<ObjectLabels<'_>>, &'static str> {
    let OnlyObject(object): OnlyObject<Object> =
        serde_json::from_str(object.as_str()).map_err(|_| "metadata.labels is not a map of strings")?;
    Ok(object.metadata.map(|OnlyObject(metadata)| metadata.labels.unwrap_or_default()))
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Option<OnlyObject<Metadata<'a>>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    labels: Option<ObjectLabels<'a>>,
}

#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for ObjectLabels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = ObjectLabels<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(ObjectLabels(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label<'a>(object: &'a JsonText, key: &str) -> Option<String> {
        read(object).unwrap().and_then(|labels: ObjectLabels<'a>| labels.get(key).map(str::to_owned))
    }

    #[test]
    fn labels_are_found_wherever_they_stand() {
        let object = r#"{"spec":{"metadata":{"labels":{"a":"wrong"}}},"metadata":{"name":"x","labels":{"a":"1","b/c":"\u0032"}}}"#;
        let object = JsonText::parse(object).unwrap();
        assert_eq!(label(&object, "a").as_deref(), Some("1"));
        assert_eq!(label(&object, "b/c").as_deref(), Some("2"));
        assert_eq!(label(&object, "name"), None);
    }

    #[test]
    fn no_labels_are_not_the_same_as_no_metadata() {
        for (object, has_metadata) in [
            (r#"{"metadata":{}}"#, true),
            (r#"{"metadata":{"labels":null}}"#, true),
            (r#"{"metadata":null}"#, false),
            (r#"{"kind":"PodExecOptions"}"#, false),
        ] {
            assert_eq!(read(&JsonText::parse(object).unwrap()).unwrap().is_some(), has_metadata, "{object}");
        }
    }

    #[test]
    fn labels_of_another_type_are_an_error_that_shows_no_value() {
        for object in [
            r#"{"metadata":{"labels":{"a":7}}}"#,
            r#"{"metadata":"secret"}"#,
            r#"{"metadata":{"labels":[]}}"#,
            r#"{"metadata":[{"a":"secret"}]}"#,
        ] {
            let error = read(&JsonText::parse(object).unwrap()).unwrap_err();
            assert_eq!(error, "metadata.labels is not a map of strings");
        }
    }
}
