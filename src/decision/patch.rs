//! The three operations of RFC 6902 that describe any change, and JSON pointers (RFC 6901).

use serde::Serialize;
use serde_json::Value;

/// One step of a JSON patch. `path` is a JSON pointer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum PatchOp {
    Add { path: String, value: Value },
    Remove { path: String },
    Replace { path: String, value: Value },
}

impl PatchOp {
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Add { path, .. } | Self::Remove { path } | Self::Replace { path, .. } => path,
        }
    }

    /// What it puts into the document.
    #[must_use]
    pub const fn value(&self) -> Option<&Value> {
        match self {
            Self::Add { value, .. } | Self::Replace { value, .. } => Some(value),
            Self::Remove { .. } => None,
        }
    }
}

/// Appends one reference token to a pointer, escaped.
pub(super) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    if token.contains(['~', '/']) {
        pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
    } else {
        pointer.push_str(token);
    }
}

/// The tokens of a pointer, unescaped; `None` when it does not begin with `/`. The pointer of the whole document has
/// no tokens.
pub(super) fn tokens(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let tokens = pointer.strip_prefix('/')?;
    Some(tokens.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_look_as_rfc_6902_writes_them() {
        let ops = [
            PatchOp::Add { path: "/a".into(), value: json!(1) },
            PatchOp::Remove { path: "/b".into() },
            PatchOp::Replace { path: String::new(), value: json!(null) },
        ];
        assert_eq!(
            serde_json::to_value(ops).unwrap(),
            json!([
                {"op": "add", "path": "/a", "value": 1},
                {"op": "remove", "path": "/b"},
                {"op": "replace", "path": "", "value": null},
            ])
        );
    }

    #[test]
    fn tokens_survive_escaping() {
        let mut pointer = String::new();
        for token in ["", "a/b", "~", "~1", "m~n/o", "ä"] {
            push_token(&mut pointer, token);
        }
        assert_eq!(pointer, "//a~1b/~0/~01/m~0n~1o/ä");
        assert_eq!(tokens(&pointer).unwrap(), ["", "a/b", "~", "~1", "m~n/o", "ä"]);
        assert_eq!(tokens(""), Some(vec![]));
        assert_eq!(tokens("a"), None);
    }
}
