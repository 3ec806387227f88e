//! The differ: a patch that turns one document into the other, is as small as what changed, and is always the same.

use arbitrary::{Result, Unstructured};
use bylaw::decision::{DiffLimits, PatchOp, apply, diff};
use serde_json::Value;

use crate::json::{edit, value};

pub fn check(data: &[u8]) {
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured) -> Result<()> {
    let old = value(u, 0)?;
    let edits = u.int_in_range(0..=4_u8)?;
    let new = if edits == 4 {
        value(u, 0)?
    } else {
        let mut new = old.clone();
        for _ in 0..edits {
            edit(u, &mut new)?;
        }
        new
    };
    holds(&old, &new);
    holds(&new, &old);
    Ok(())
}

fn holds(old: &Value, new: &Value) {
    let ops = diff(old, new, DiffLimits::default()).unwrap();
    let mut patched = old.clone();
    apply(&ops, &mut patched).unwrap();
    assert_eq!(&patched, new, "{ops:?}");
    assert_eq!(ops.is_empty(), old == new, "only what is equal needs no patch");
    assert_eq!(ops, diff(old, new, DiffLimits::default()).unwrap(), "the same again");
    assert!(ops.len() <= leaves(old) + leaves(new), "more operations than there are places");
    for op in &ops {
        if let PatchOp::Replace { path, value } = op {
            assert!(!(path.is_empty() && value.is_object() && old.is_object()), "an object is changed field by field");
        }
    }
    if let Some(path) = only_change(old, new) {
        assert_eq!(ops.iter().map(PatchOp::path).collect::<Vec<_>>(), [path], "one change is one operation");
    }
    let limits = DiffLimits { ops: ops.len(), ..DiffLimits::default() };
    assert_eq!(diff(old, new, limits).as_ref(), Ok(&ops), "a limit that is kept changes nothing");
    let Some(one_less) = ops.len().checked_sub(1) else { return };
    // An element may be exchanged as a whole, to keep within it.
    if let Ok(fewer) = diff(old, new, DiffLimits { ops: one_less, ..limits }) {
        let mut patched = old.clone();
        apply(&fewer, &mut patched).unwrap();
        assert!(fewer.len() <= one_less && &patched == new, "{fewer:?}");
    }
}

/// Values, keys and brackets: what an operation can be about.
fn leaves(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(leaves).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(leaves).sum::<usize>(),
        _ => 1,
    }
}

/// The pointer of the only place that differs, where objects alone lead there.
fn only_change(old: &Value, new: &Value) -> Option<String> {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return None };
    let token = |key: &str| format!("/{}", key.replace('~', "~0").replace('/', "~1"));
    let mut paths = old
        .iter()
        .filter(|(key, value)| new.get(*key) != Some(value))
        .map(|(key, value)| match (value, new.get(key)) {
            (Value::Array(_), Some(Value::Array(_))) => None,
            (Value::Object(_), Some(other @ Value::Object(_))) => Some(token(key) + &only_change(value, other)?),
            _ => Some(token(key)),
        })
        .chain(new.keys().filter(|key| !old.contains_key(*key)).map(|key| Some(token(key))));
    match (paths.next(), paths.next()) {
        (Some(path), None) => path,
        _ => None,
    }
}
