//! Applies a JSON patch to a document.

use serde_json::Value;

use super::patch::tokens;
use super::{PatchError, PatchOp};

/// Applies `ops` one after the other, as RFC 6902 has it.
///
/// # Errors
/// [`PatchError::NoSuchPath`] when an operation does not fit; `document` is then left half way.
pub fn apply(ops: &[PatchOp], document: &mut Value) -> Result<(), PatchError> {
    ops.iter()
        .try_for_each(|op| apply_one(op, document).ok_or_else(|| PatchError::NoSuchPath { path: op.path().to_owned() }))
}

fn apply_one(op: &PatchOp, document: &mut Value) -> Option<()> {
    let mut tokens = tokens(op.path())?;
    let Some(last) = tokens.pop() else {
        // A document can be exchanged as a whole; RFC 6902 gives its removal no meaning.
        *document = op.value()?.clone();
        return Some(());
    };
    let parent = tokens.iter().try_fold(document, |value, token| match value {
        Value::Object(map) => map.get_mut(token),
        Value::Array(items) => items.get_mut(index(token)?),
        _ => None,
    })?;
    match (parent, op) {
        (Value::Object(map), PatchOp::Add { value, .. }) => drop(map.insert(last, value.clone())),
        (Value::Object(map), PatchOp::Replace { value, .. }) => *map.get_mut(&last)? = value.clone(),
        // The order of keys is kept: it has no meaning, but a reader expects it.
        (Value::Object(map), PatchOp::Remove { .. }) => drop(map.shift_remove(&last)?),
        (Value::Array(items), PatchOp::Add { value, .. }) => {
            let at = if last == "-" { items.len() } else { index(&last)? };
            if at > items.len() {
                return None;
            }
            items.insert(at, value.clone());
        }
        (Value::Array(items), PatchOp::Replace { value, .. }) => *items.get_mut(index(&last)?)? = value.clone(),
        (Value::Array(items), PatchOp::Remove { .. }) => {
            let at = index(&last)?;
            items.get(at)?;
            items.remove(at);
        }
        _ => return None,
    }
    Some(())
}

/// An array index without sign or leading zero (RFC 6901 §4).
fn index(token: &str) -> Option<usize> {
    let canonical = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    if canonical { token.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn add(path: &str, value: Value) -> PatchOp {
        PatchOp::Add { path: path.into(), value }
    }

    fn remove(path: &str) -> PatchOp {
        PatchOp::Remove { path: path.into() }
    }

    fn replace(path: &str, value: Value) -> PatchOp {
        PatchOp::Replace { path: path.into(), value }
    }

    #[test]
    fn each_operation_does_what_the_rfc_says() {
        let mut document = json!({"a": [1, 2], "b": {"c/d": 1}});
        let ops = [
            add("/a/0", json!(0)),
            add("/a/3", json!(3)),
            add("/a/-", json!(4)),
            remove("/a/1"),
            replace("/b/c~1d", json!("x")),
            add("/b/", json!([])),
            add("/e", json!({})),
        ];
        apply(&ops, &mut document).unwrap();
        assert_eq!(document, json!({"a": [0, 2, 3, 4], "b": {"c/d": "x", "": []}, "e": {}}));

        apply(&[replace("", json!(7))], &mut document).unwrap();
        assert_eq!(document, json!(7));
    }

    #[test]
    fn operations_that_do_not_fit_are_refused() {
        for op in [
            remove("/b"),
            replace("/b", json!(1)),
            add("/b/c", json!(1)),
            add("/a/3", json!(1)),
            add("/a/01", json!(1)),
            add("/a/+1", json!(1)),
            replace("/a/2", json!(1)),
            replace("/a/-", json!(1)),
            remove("/a/x"),
            remove("/a/2"),
            add("/s/0", json!(1)),
            add("a", json!(1)),
            remove(""),
        ] {
            let refused = apply(std::slice::from_ref(&op), &mut json!({"a": [1, 2], "s": "text"}));
            assert_eq!(refused, Err(PatchError::NoSuchPath { path: op.path().into() }), "{op:?}");
        }
    }
}
