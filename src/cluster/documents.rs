//! YAML and JSON text as a row of documents, each with the line it starts on.
//!
//! Read as kubectl reads manifests: YAML 1.1 booleans, and numbers such as `0644` are octal.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::{Options, Spanned};

/// One document of a file. Lines and columns count from 1.
#[derive(Debug)]
pub struct Document {
    pub line: u64,
    pub value: Value,
}

/// Why a text is no row of documents, and where; 0 where the parser cannot tell.
#[derive(Debug)]
pub struct Unreadable {
    pub line: u64,
    pub column: u64,
    pub cause: String,
}

/// Documents of a YAML text; empty ones are left out.
pub fn from_yaml(text: &str) -> Result<Vec<Document>, Unreadable> {
    let documents: Vec<Spanned<Value>> = typed_from_yaml(text)?;
    let present = documents.into_iter().filter(|document| !document.value.is_null());
    Ok(present.map(|document| Document { line: document.referenced.line(), value: document.value }).collect())
}

/// Documents of one type.
pub fn typed_from_yaml<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, Unreadable> {
    serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| unreadable(&error))
}

/// Documents of a JSON text: one value, or several after one another.
pub fn from_json(text: &str) -> Result<Vec<Document>, Unreadable> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut documents = Vec::new();
    // Lines are counted from the last document on, or many documents would be counted over and over.
    let (mut line, mut counted) = (1, 0);
    loop {
        let rest = text.get(stream.byte_offset()..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start().len();
        let start = stream.byte_offset() + blank;
        line += text.get(counted..start).unwrap_or_default().matches('\n').count() as u64;
        counted = start;
        match stream.next() {
            None => return Ok(documents),
            Some(Ok(Value::Null)) => {}
            Some(Ok(value)) => documents.push(Document { line, value }),
            Some(Err(error)) => {
                let (line, column) = (error.line() as u64, error.column() as u64);
                return Err(Unreadable { line, column, cause: error.to_string() });
            }
        }
    }
}

fn unreadable(error: &serde_saphyr::Error) -> Unreadable {
    let error = error.without_snippet();
    let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
    // The parser ends its message with the place, which the caller puts in front.
    let message = error.to_string();
    let cause = message.split(" at line ").next().unwrap_or(&message).to_owned();
    Unreadable { line, column, cause }
}

/// Room for the output of `kubectl get -A -o yaml` on a large cluster, none for an alias bomb.
fn options() -> Options {
    let budget = serde_saphyr::budget! {
        max_documents: 100_000,
        max_events: 20_000_000,
        max_nodes: 10_000_000,
        max_total_scalar_bytes: 256 << 20,
    };
    let alias_limits = serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 };
    serde_saphyr::options! { budget: budget, alias_limits: alias_limits, legacy_octal_numbers: true }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use serde_json::json;

    use super::*;

    #[test]
    fn reads_many_documents_with_their_lines() {
        let documents = from_yaml("---\n# nothing\n---\na: 1\n---\n\nb: [yes, 0644, \"0644\"]\n").unwrap();
        let seen: Vec<(u64, Value)> = documents.into_iter().map(|d| (d.line, d.value)).collect();
        assert_eq!(seen, [(4, json!({"a": 1})), (7, json!({"b": [true, 420, "0644"]}))]);
        let documents = from_json("{\"a\":1}\n\n{\"b\":2} null").unwrap();
        let lines: Vec<u64> = documents.iter().map(|d| d.line).collect();
        assert_eq!(lines, [1, 3]);
    }

    #[test]
    fn says_where_it_stopped() {
        let error = from_yaml("a: 1\nb: [1\n").unwrap_err();
        assert!(error.line >= 2, "{error:?}");
        assert!(!error.cause.contains("line"), "{error:?}");
        let error = from_yaml("a: 1\na: 2\n").unwrap_err();
        assert_eq!(error.line, 2, "{error:?}");
        assert_eq!(from_json("{\n\"a\" 1}").unwrap_err().line, 2);
    }

    #[test]
    fn an_alias_bomb_is_refused_and_not_expanded() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let of = format!("*a{}", level - 1);
            writeln!(bomb, "a{level}: &a{level} [{}]", vec![of; 10].join(", ")).unwrap();
        }
        assert!(from_yaml(&bomb).is_err());
    }
}
