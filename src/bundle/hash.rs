//! Content hashes: of a script, and jsPolicy's `status.bundleHash`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Lower-case hex SHA-256 of a text: how revisions are named (design §1).
#[must_use]
pub fn content_hash(text: &str) -> String {
    hex_hash(text.as_bytes())
}

/// The same of bytes.
pub(super) fn hex_hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let mut hex = String::with_capacity(digest.len() * 2);
    for byte in digest {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// jsPolicy's `status.bundleHash` of a policy with inline source: the hash of what Go's `encoding/json` (before 1.22)
/// makes of `{"dependencies": …, "javascript": …}`. Empty where there is no source. Reproduced to the byte, or every
/// policy of a migrated cluster would be bundled anew.
#[must_use]
pub fn bundle_hash(javascript: &str, dependencies: Option<&BTreeMap<String, String>>) -> String {
    if javascript.is_empty() {
        return String::new();
    }
    let mut json = String::with_capacity(javascript.len() + 64);
    json.push_str("{\"dependencies\":");
    match dependencies {
        None => json.push_str("null"),
        Some(packages) => {
            json.push('{');
            for (index, (name, range)) in packages.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                push_go_string(&mut json, name);
                json.push(':');
                push_go_string(&mut json, range);
            }
            json.push('}');
        }
    }
    json.push_str(",\"javascript\":");
    push_go_string(&mut json, javascript);
    json.push('}');
    content_hash(&json)
}

/// A string as Go's `json.Marshal` writes it: HTML-safe, with `\b` and `\f` in their long form.
fn push_go_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go_string(text: &str) -> String {
        let mut json = String::new();
        push_go_string(&mut json, text);
        json
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        assert_eq!(go_string("a<b>&\"\\\n\r\t"), r#""a\u003cb\u003e\u0026\"\\\n\r\t""#);
        assert_eq!(go_string("\u{8}\u{c}\u{0}\u{1f}\u{7f}"), "\"\\u0008\\u000c\\u0000\\u001f\u{7f}\"");
        assert_eq!(go_string("é😀\u{2028}"), "\"é😀\\u2028\"");
    }

    #[test]
    fn the_hash_is_of_the_map_with_null_for_absent_dependencies() {
        assert_eq!(
            bundle_hash("deny(\"<no>\")", None),
            content_hash(r#"{"dependencies":null,"javascript":"deny(\"\u003cno\u003e\")"}"#)
        );
        let none = BTreeMap::new();
        assert_eq!(bundle_hash("allow()", Some(&none)), content_hash(r#"{"dependencies":{},"javascript":"allow()"}"#));
        let packages = BTreeMap::from([("b".to_owned(), "^1".to_owned()), ("a".to_owned(), ">2".to_owned())]);
        assert_eq!(
            bundle_hash("allow()", Some(&packages)),
            content_hash(r#"{"dependencies":{"a":"\u003e2","b":"^1"},"javascript":"allow()"}"#)
        );
    }

    #[test]
    fn no_source_has_no_hash() {
        assert_eq!(bundle_hash("", None), "");
    }

    #[test]
    fn a_content_hash_is_lower_case_hex() {
        assert_eq!(content_hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
