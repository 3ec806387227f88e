//! One object as text: what is worth keeping of it in memory, found without building a tree.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{ClusterError, Kind};

pub type Labels = Arc<BTreeMap<String, String>>;

/// An object as the caches keep it: JSON text, and what it is looked up by.
#[derive(Debug, Clone)]
pub struct StoredObject {
    /// Empty for a cluster-scoped object.
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub labels: Labels,
    /// `metadata.resourceVersion` as the number it is (KEP-5504), 0 where it is absent or no number.
    pub revision: u64,
    pub text: Arc<str>,
}

impl StoredObject {
    /// Keeps an object without its `metadata.managedFields`, which are often half of it and which the API server
    /// takes from its own copy when an update leaves them out. Everything else stays byte for byte, numbers included.
    ///
    /// `kind` is written into the text, for the API server leaves it out of the items of a list.
    pub fn from_text(text: &str, kind: &Kind) -> Result<Self, ClusterError> {
        let malformed = |cause: String| ClusterError::Malformed { what: format!("an object of {kind}"), cause };
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|e| malformed(e.to_string()))?;
        let metadata = fields.get("metadata").ok_or_else(|| malformed("metadata is missing".to_owned()))?;
        let metadata: Fields<'_> = serde_json::from_str(metadata.get()).map_err(|e| malformed(e.to_string()))?;
        let text_field = |name: &str| metadata.get(name).map_or(Ok(String::new()), text_of);
        let name = text_field("name").map_err(|e| malformed(format!("metadata.name: {e}")))?;
        if name.is_empty() {
            return Err(malformed("metadata.name is missing".to_owned()));
        }
        let namespace = text_field("namespace").map_err(|e| malformed(format!("metadata.namespace: {e}")))?;
        let labels: Option<BTreeMap<String, String>> = metadata
            .get("labels")
            .map_or(Ok(None), |raw| serde_json::from_str(raw.get()))
            .map_err(|e| malformed(format!("metadata.labels: {e}")))?;
        Ok(Self {
            namespace: namespace.into(),
            name: name.into(),
            labels: Arc::new(labels.unwrap_or_default()),
            revision: text_field("resourceVersion").ok().and_then(|rv| rv.parse().ok()).unwrap_or(0),
            text: trimmed(text.len(), kind, &fields, &metadata).into(),
        })
    }

    /// What it costs to keep, roughly: its text, its labels, and the maps around them.
    pub fn bytes(&self) -> usize {
        const OVERHEAD: usize = 256;
        let labels: usize = self.labels.iter().map(|(key, value)| key.len() + value.len() + 48).sum();
        self.text.len() + labels + OVERHEAD
    }
}

fn text_of(raw: &RawValue) -> Result<String, serde_json::Error> {
    serde_json::from_str::<Option<String>>(raw.get()).map(Option::unwrap_or_default)
}

fn trimmed(capacity: usize, kind: &Kind, fields: &Fields<'_>, metadata: &Fields<'_>) -> String {
    // Both halves of a kind are checked to need no escaping in JSON.
    let mut out = String::with_capacity(capacity + 64);
    out.push_str("{\"apiVersion\":\"");
    out.push_str(kind.api_version());
    out.push_str("\",\"kind\":\"");
    out.push_str(kind.kind());
    out.push('"');
    for (key, value) in fields.but("apiVersion").filter(|(key, _)| *key != "kind") {
        push_key(&mut out, key);
        if key != "metadata" {
            out.push_str(value.get());
            continue;
        }
        out.push('{');
        for (key, value) in metadata.but("managedFields") {
            push_key(&mut out, key);
            out.push_str(value.get());
        }
        out.push('}');
    }
    out.push('}');
    out
}

fn push_key(out: &mut String, key: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push_str(&serde_json::Value::from(key).to_string());
    out.push(':');
}

/// The members of a JSON object in their order, values unread.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The last one of that name, as every JSON reader downstream takes it.
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    fn but(&self, name: &'static str) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().filter(move |(key, _)| key != name).map(|(key, value)| (key.as_ref(), *value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A key, borrowed unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Kind {
        Kind::parse("v1/Secret").unwrap()
    }

    #[test]
    fn drops_managed_fields_and_keeps_every_other_byte() {
        let text = r#"{"kind":"Secret","metadata":{"name":"a","managedFields":[{"manager":"x"}],"namespace":"ns",
            "labels":{"k":"v"},"resourceVersion":"42","generation":9007199254740993},"spec":{"n":1.10,"e":1e400,"u":"\u0041"}}"#;
        let object = StoredObject::from_text(text, &secret()).unwrap();
        assert_eq!(
            &*object.text,
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"ns","labels":{"k":"v"},"resourceVersion":"42","generation":9007199254740993},"spec":{"n":1.10,"e":1e400,"u":"\u0041"}}"#
        );
        assert_eq!((&*object.namespace, &*object.name, object.revision), ("ns", "a", 42));
        assert_eq!(object.labels.get("k").map(String::as_str), Some("v"));
    }

    #[test]
    fn gives_items_of_a_list_their_kind() {
        let object = StoredObject::from_text(r#"{"metadata":{"name":"a"},"data":{}}"#, &secret()).unwrap();
        assert_eq!(&*object.text, r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{}}"#);
    }

    #[test]
    fn keeps_odd_keys_as_they_were() {
        let object =
            StoredObject::from_text(r#"{"metadata":{"name":"a"},"a\"b\u0000":1,"__proto__":2}"#, &secret()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&object.text).unwrap();
        assert_eq!(value.get("a\"b\0"), Some(&1.into()));
        assert_eq!(value.get("__proto__"), Some(&2.into()));
    }

    #[test]
    fn says_what_is_missing() {
        for (text, word) in [
            ("[]", "an object"),
            ("{}", "metadata is missing"),
            (r#"{"metadata":{}}"#, "metadata.name is missing"),
            (r#"{"metadata":{"name":1}}"#, "metadata.name"),
            (r#"{"metadata":{"name":"a","labels":{"k":1}}}"#, "metadata.labels"),
        ] {
            let error = StoredObject::from_text(text, &secret()).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
