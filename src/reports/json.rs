//! Small moves on JSON that cannot fail.

use serde_json::{Map, Value};

/// Sets a field of what is an object.
pub(super) fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value.into());
    }
}

/// An object of those that are not empty: Go leaves out the others.
pub(super) fn filled<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    let pairs = pairs.into_iter().filter(|(_, text)| !text.is_empty());
    pairs.map(|(key, text)| (key.to_owned(), text.into())).collect()
}
