//! Applies a JSON patch as the API server would: written apart from the code that makes patches, so that the two can
//! disagree.

use serde_json::Value;

/// Applies `add`, `remove` and `replace` of RFC 6902 in their order.
pub fn apply(operations: &[Value], document: &mut Value) -> Result<(), String> {
    for operation in operations {
        step(operation, document).ok_or_else(|| format!("{operation} cannot be applied to {document}"))?;
    }
    Ok(())
}

fn step(operation: &Value, document: &mut Value) -> Option<()> {
    let path = operation["path"].as_str()?;
    let word = operation["op"].as_str()?;
    let Some((parent, token)) = path.rsplit_once('/') else {
        *document = operation.get("value").filter(|_| word != "remove" && path.is_empty())?.clone();
        return Some(());
    };
    let key = token.replace("~1", "/").replace("~0", "~");
    let value = || operation.get("value").cloned();
    match (word, document.pointer_mut(parent)?) {
        ("add", Value::Object(fields)) => drop(fields.insert(key, value()?)),
        ("replace", Value::Object(fields)) => *fields.get_mut(&key)? = value()?,
        ("remove", Value::Object(fields)) => drop(fields.remove(&key)?),
        ("add", Value::Array(items)) => {
            let at = if key == "-" { items.len() } else { key.parse().ok()? };
            (at <= items.len()).then(|| items.insert(at, operation["value"].clone()))?;
        }
        ("replace", Value::Array(items)) => *items.get_mut(key.parse::<usize>().ok()?)? = value()?,
        ("remove", Value::Array(items)) => {
            let at = key.parse().ok()?;
            (at < items.len()).then(|| items.remove(at))?;
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc_hold() {
        let mut document = json!({"foo": ["bar", "baz"], "a/b": {"m~n": 1}});
        let patch = json!([
            {"op": "add", "path": "/foo/1", "value": "qux"},
            {"op": "remove", "path": "/foo/0"},
            {"op": "replace", "path": "/a~1b/m~0n", "value": null},
            {"op": "add", "path": "/foo/-", "value": 3},
        ]);
        apply(patch.as_array().unwrap(), &mut document).unwrap();
        assert_eq!(document, json!({"foo": ["qux", "baz", 3], "a/b": {"m~n": null}}));
    }

    #[test]
    fn what_is_not_there_cannot_be_replaced_or_removed() {
        for operation in [
            json!({"op": "replace", "path": "/b", "value": 1}),
            json!({"op": "remove", "path": "/b"}),
            json!({"op": "add", "path": "/a/2", "value": 1}),
            json!({"op": "add", "path": "/b/c", "value": 1}),
        ] {
            assert!(apply(std::slice::from_ref(&operation), &mut json!({"a": [0]})).is_err(), "{operation}");
        }
    }
}
