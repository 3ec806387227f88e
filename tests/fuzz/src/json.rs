//! JSON documents, and edits of them, out of a fuzzer's bytes.

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Value};

const DEEPEST: usize = 6;

/// Texts that some stage treats specially, or might.
const WORDS: [&str; 24] = [
    "",
    "a",
    "b",
    "name",
    "0",
    "1",
    "-1",
    "01",
    "-",
    "~",
    "/",
    "~1",
    "a/b",
    "__proto__",
    "constructor",
    "toString",
    "$serde_json::private::Number",
    "$serde_json::private::RawValue",
    "\u{1}",
    "\"\\",
    "é",
    "🦀",
    "\u{2028}",
    "metadata",
];

/// Numbers at the edges of the types they may be read into.
const NUMBERS: [&str; 24] = [
    "0",
    "-0",
    "1",
    "1.0",
    "-1",
    "1e2",
    "0.1",
    "1E-7",
    "1e21",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    "1e308",
    "1e309",
    "-1e400",
    "5e-324",
    "1e-400",
    "0.30000000000000004",
];

pub fn text(u: &mut Unstructured) -> Result<String> {
    match u.int_in_range(0..=5_u8)? {
        0 => u.arbitrary(),
        1 => Ok(format!("{}{}", u.choose(&WORDS)?, u.choose(&WORDS)?)),
        _ => Ok((*u.choose(&WORDS)?).to_owned()),
    }
}

fn number(u: &mut Unstructured) -> Result<Value> {
    let text = match u.int_in_range(0..=3_u8)? {
        0 => u.arbitrary::<i64>()?.to_string(),
        1 => Some(u.arbitrary::<f64>()?).filter(|number| number.is_finite()).unwrap_or(0.5).to_string(),
        _ => (*u.choose(&NUMBERS)?).to_owned(),
    };
    Ok(Value::Number(text.parse().unwrap()))
}

pub fn value(u: &mut Unstructured, level: usize) -> Result<Value> {
    let kinds = if level < DEEPEST { 8 } else { 4 };
    Ok(match u.int_in_range(0..=kinds)? {
        0 => Value::Null,
        1 => Value::Bool(u.arbitrary()?),
        2 => number(u)?,
        3 | 4 => Value::String(text(u)?),
        5 => named(u, level)?,
        6 => array(u, level)?,
        _ => object(u, level)?,
    })
}

/// An element of a list that is keyed by name.
fn named(u: &mut Unstructured, level: usize) -> Result<Value> {
    let mut map = Map::new();
    map.insert("name".to_owned(), Value::String(text(u)?));
    map.insert("value".to_owned(), value(u, level + 1)?);
    Ok(Value::Object(map))
}

fn array(u: &mut Unstructured, level: usize) -> Result<Value> {
    (0..u.int_in_range(0..=6_u8)?).map(|_| value(u, level + 1)).collect()
}

pub fn object(u: &mut Unstructured, level: usize) -> Result<Value> {
    let mut map = Map::new();
    for _ in 0..u.int_in_range(0..=6_u8)? {
        map.insert(text(u)?, value(u, level + 1)?);
    }
    Ok(Value::Object(map))
}

/// Changes one place of `target`: what policies do.
pub fn edit(u: &mut Unstructured, target: &mut Value) -> Result<()> {
    match target {
        Value::Array(items) if !items.is_empty() => {
            let at = u.choose_index(items.len())?;
            match u.int_in_range(0..=5_u8)? {
                0 => items.insert(at, value(u, DEEPEST - 1)?),
                1 => drop(items.remove(at)),
                2 => {
                    let other = u.choose_index(items.len())?;
                    items.swap(at, other);
                }
                _ => edit(u, &mut items[at])?,
            }
        }
        Value::Object(map) if !map.is_empty() => {
            let key = map.keys().nth(u.choose_index(map.len())?).unwrap().clone();
            match u.int_in_range(0..=5_u8)? {
                0 => drop(map.insert(text(u)?, value(u, DEEPEST - 1)?)),
                1 => drop(map.shift_remove(&key)),
                2 => {
                    let moved = map[&key].clone();
                    map.insert(text(u)?, moved);
                }
                _ => edit(u, &mut map[&key])?,
            }
        }
        other => *other = value(u, DEEPEST - 1)?,
    }
    Ok(())
}

/// The deepest level of objects and arrays, and the most keys of one object, as the parser counts them.
pub fn shape(value: &Value) -> (usize, usize) {
    let (inner, own): (Vec<_>, usize) = match value {
        Value::Array(items) => (items.iter().map(shape).collect(), 0),
        Value::Object(map) => (map.values().map(shape).collect(), map.len()),
        _ => return (0, 0),
    };
    let deepest = inner.iter().map(|(depth, _)| *depth).max().unwrap_or(0);
    let most = inner.iter().map(|(_, keys)| *keys).max().unwrap_or(0);
    (deepest + 1, most.max(own))
}
