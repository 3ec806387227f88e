//! A piece of JSON that shares the buffer of the request it came in.

use std::fmt;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

/// A slice of a buffer, known to be one valid JSON value in UTF-8. Cloning it copies no text.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText(Bytes);

impl JsonText {
    /// Checks `text` and takes it over.
    ///
    /// # Errors
    /// When `text` is not exactly one JSON value in UTF-8.
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, serde_json::Error> {
        let text = text.into();
        serde_json::from_slice::<IgnoredAny>(&text)?;
        // `IgnoredAny` skips strings without looking at their encoding.
        std::str::from_utf8(&text).map_err(<serde_json::Error as serde::de::Error>::custom)?;
        Ok(Self(text))
    }

    /// The compact text of a tree.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        Self(Bytes::from(value.to_string()))
    }

    /// A slice of `buffer` that a JSON parser cut out of it.
    pub(super) fn slice_of(buffer: &Bytes, slice: &str) -> Self {
        Self(buffer.slice_ref(slice.as_bytes()))
    }

    /// The value that takes `length` bytes of `buffer` from `at` on.
    pub(super) fn cut(buffer: &Bytes, at: usize, length: usize) -> Option<Self> {
        let end = at.checked_add(length)?;
        (end <= buffer.len()).then(|| Self(buffer.slice(at..end)))
    }

    /// All of `buffer`, put together from valid parts.
    pub(super) fn whole(buffer: Bytes) -> Self {
        Self(buffer)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        // Checking again costs nanoseconds for a kilobyte and needs no `unsafe`; it can not fail, for every
        // constructor has seen the text to be UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true: JSON has no empty value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_object(&self) -> bool {
        self.0.first() == Some(&b'{')
    }
}

/// Shows the length alone: object bodies never reach a log.
impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonText({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_json_value_and_nothing_else() {
        assert_eq!(JsonText::parse(r#"{"a":"ä"}"#).unwrap().as_str(), r#"{"a":"ä"}"#);
        for bad in [&b""[..], b"{", b"{} {}", b"\"\xff\""] {
            assert!(JsonText::parse(Bytes::copy_from_slice(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn debug_never_shows_the_body() {
        let text = JsonText::parse(r#"{"password":"hunter2"}"#).unwrap();
        assert_eq!(format!("{text:?}"), "JsonText(22 bytes)");
    }

    #[test]
    fn a_clone_shares_the_buffer() {
        let text = JsonText::parse("[1]").unwrap();
        assert_eq!(text.clone().bytes().as_ptr(), text.bytes().as_ptr());
    }
}
