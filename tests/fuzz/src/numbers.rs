//! An object on its way through policies in JavaScript: what no policy touched keeps its numbers to the digit, and what
//! one wrote is there.

use arbitrary::{Result, Unstructured};
use bylaw::decision::{Document, Mutation, PatchError, apply};
use bylaw::review::{JsonText, tree};
use serde_json::{Map, Value};

use crate::json::{edit, object};

pub fn check(data: &[u8]) {
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured) -> Result<()> {
    let original = object(u, 0)?;
    let mut document = Document::parse(&JsonText::of(&original)).unwrap();
    for _ in 0..u.int_in_range(1..=3_u8)? {
        let exact = tree(document.text().as_str()).unwrap();
        let before = in_javascript(&exact);
        let mut after = before.clone();
        for _ in 0..u.int_in_range(0..=3_u8)? {
            edit(u, &mut after)?;
        }
        let after = in_javascript(&after);
        let mutation = Mutation { before: before.to_string(), after: after.to_string() };
        match document.apply(&mutation) {
            Ok(()) => {
                let now = tree(document.text().as_str()).unwrap();
                assert_eq!(in_javascript(&now), after, "the policy's object, as JavaScript reads it");
                untouched(&exact, &before, &after, &now);
            }
            Err(PatchError::UnsafeInteger { original, .. }) => {
                assert!(exact.to_string().contains(&original));
                assert_eq!(tree(document.text().as_str()).unwrap(), exact, "a refused change leaves no trace");
            }
            Err(PatchError::NotAnObject) => assert!(!after.is_object()),
            Err(other) => panic!("{other}"),
        }
    }
    let now = tree(document.text().as_str()).unwrap();
    let mut patched = original;
    apply(&document.patch_from_original().unwrap(), &mut patched).unwrap();
    assert_eq!(patched, now, "the one patch leads to the object that the last policy left");
    Ok(())
}

/// Along keys of objects: where JavaScript saw no change, there is none.
fn untouched(exact: &Value, before: &Value, after: &Value, now: &Value) {
    if before == after {
        assert_eq!(now, exact);
    } else if let (Value::Object(exact), Value::Object(before), Value::Object(after)) = (exact, before, after) {
        for (key, exact) in exact {
            if let (Some(before), Some(after)) = (before.get(key), after.get(key)) {
                untouched(exact, before, after, &now[key]);
            }
        }
    }
}

/// What `JSON.parse` makes of a value: doubles only, keys that look like indexes first.
fn in_javascript(value: &Value) -> Value {
    match value {
        Value::Number(number) => double(&number.to_string()),
        Value::Array(items) => items.iter().map(in_javascript).collect(),
        Value::Object(map) => {
            let index =
                |key: &str| key.parse::<u32>().ok().filter(|index| index.to_string() == key && *index < u32::MAX);
            let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.clone(), in_javascript(value))).collect();
            entries.sort_by_key(|(key, _)| index(key).map_or(u64::MAX, u64::from));
            Value::Object(entries.into_iter().collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// As `JSON.stringify` writes a number, or any other way that reads the same.
fn double(text: &str) -> Value {
    let double: f64 = text.parse().unwrap();
    if double.is_infinite() {
        return Value::Null;
    }
    let written = if double == 0.0 {
        "0".to_owned()
    } else if double.abs() < 1e21 && double.abs() >= 1e-6 {
        double.to_string()
    } else {
        format!("{double:e}")
    };
    Value::Number(written.parse().unwrap())
}
