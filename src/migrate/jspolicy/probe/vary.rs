//! Objects in which one part at a time is another: absent, empty, each value that makes a difference, and others.

use serde_json::{Map, Value, json};

use super::facts::Part;

/// Maps, though a script may walk over their keys.
const MAPS: [&str; 8] =
    ["labels", "annotations", "data", "matchLabels", "nodeSelector", "limits", "requests", "stringData"];

/// A part as it looks when everything that is looked at is there.
pub(super) fn full(part: &Part, name: &str) -> Value {
    if is_map(part, name) {
        let mut map = Map::new();
        for (key, field) in &part.fields {
            map.insert(key.clone(), full(field, key));
        }
        if part.item.is_some() && map.is_empty() {
            map.insert("key".to_owned(), json!("value"));
        }
        return Value::Object(map);
    }
    match &part.item {
        Some(item) => Value::Array(vec![full(item, name)]),
        None => part.values.first().cloned().unwrap_or_else(|| json!("text")),
    }
}

fn is_map(part: &Part, name: &str) -> bool {
    !part.fields.is_empty() && part.item.is_none() || MAPS.contains(&name)
}

/// What a part may be besides: `None` where it is not there.
pub(super) fn variants(part: &Part, name: &str, depth: u32) -> Vec<Option<Value>> {
    let mut found = vec![None];
    if depth > 24 {
        return found;
    }
    if is_map(part, name) {
        found.push(Some(json!({})));
        let whole = full(part, name);
        for (key, field) in &part.fields {
            for variant in variants(field, key, depth + 1) {
                let mut map = whole.as_object().cloned().unwrap_or_default();
                match variant {
                    Some(value) => drop(map.insert(key.clone(), value)),
                    None => drop(map.remove(key)),
                }
                found.push(Some(Value::Object(map)));
            }
        }
        return found;
    }
    if let Some(item) = &part.item {
        let one = full(item, name);
        found.push(Some(json!([])));
        for variant in variants(item, name, depth + 1).into_iter().flatten() {
            found.push(Some(json!([variant])));
            found.push(Some(json!([one, variant])));
        }
        return found;
    }
    found.extend(part.values.iter().cloned().map(Some));
    let others = match part.values.first() {
        Some(Value::String(_)) => vec![json!("other"), json!("")],
        Some(Value::Number(_)) => vec![json!(0), json!(100_000)],
        Some(Value::Bool(known)) => vec![json!(!known)],
        _ => vec![json!("text"), json!(true), json!(false), json!(7)],
    };
    found.extend(others.into_iter().map(Some));
    found
}

/// At most so many, from everywhere in the list.
pub(super) fn spread<T>(list: Vec<T>, most: usize) -> Vec<T> {
    if list.len() <= most {
        return list;
    }
    let count = list.len();
    list.into_iter()
        .enumerate()
        .filter(|(at, _)| at * most / count != (at + 1) * most / count)
        .map(|(_, one)| one)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_left_out_and_given_each_value_once() {
        let leaf = Part { values: vec![json!("a")], ..Part::default() };
        let part = Part { fields: [("x".to_owned(), leaf)].into_iter().collect(), ..Part::default() };
        assert_eq!(full(&part, "spec"), json!({"x": "a"}));
        let found: Vec<Value> = variants(&part, "spec", 0).into_iter().flatten().collect();
        assert_eq!(found, [json!({}), json!({}), json!({"x": "a"}), json!({"x": "other"}), json!({"x": ""})]);
    }

    #[test]
    fn a_long_list_is_thinned_out_evenly() {
        assert_eq!(spread((0..10).collect(), 5).len(), 5);
        assert_eq!(spread(vec![1, 2], 5), [1, 2]);
    }
}
