//! The contents of a Secret, which no report may repeat, even where a policy does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const HIDDEN: &str = "(hidden)";

/// A shorter value is hidden only where it stands alone: otherwise a password `a` would blacken every text.
const SHORT: usize = 4;

/// What must not be said of one object: nothing, but for a Secret.
#[derive(Debug, Default)]
pub struct Contraband {
    /// The longest first, so that no part of one is left over.
    values: Vec<String>,
    is_secret: bool,
}

impl Contraband {
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let is = |field: &str, value: &str| object.get(field).and_then(Value::as_str) == Some(value);
        if !is("kind", "Secret") || !is("apiVersion", "v1") {
            return Self::default();
        }
        let mut values = Vec::new();
        for field in ["data", "stringData"] {
            let entries = object.get(field).and_then(Value::as_object).into_iter().flatten();
            entries.for_each(|(_, value)| collect(value, field == "data", &mut values));
        }
        values.retain(|value| !value.trim().is_empty());
        values.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self { values, is_secret: true }
    }

    /// Whether the object is one whose body is nobody's business.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// The text without any of it.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, value| {
            if value.len() >= SHORT { text.replace(value.as_str(), HIDDEN) } else { hide_alone(&text, value) }
        })
    }
}

/// A value as it is, as it is encoded, and as a policy would quote it; each line of one that has several.
fn collect(value: &Value, is_encoded: bool, values: &mut Vec<String>) {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => return,
        other => other.to_string(),
    };
    let decoded = is_encoded.then(|| STANDARD.decode(text.trim()).ok()).flatten();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let encoded = (!is_encoded).then(|| STANDARD.encode(&text));
    for form in [Some(text), decoded, encoded].into_iter().flatten() {
        let quoted = Value::from(form.as_str()).to_string();
        values.push(quoted.trim_matches('"').to_owned());
        values.extend(form.lines().map(str::trim).filter(|line| line.len() >= SHORT).map(str::to_owned));
        values.push(form.trim().to_owned());
    }
}

/// Hides a word where no letter or digit touches it.
fn hide_alone(text: &str, word: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, from) = rest.split_at(at);
        let after = from.get(word.len()..).unwrap_or_default();
        let touches = before.chars().next_back().is_some_and(char::is_alphanumeric)
            || after.chars().next().is_some_and(char::is_alphanumeric);
        hidden.push_str(before);
        hidden.push_str(if touches { word } else { HIDDEN });
        rest = after;
    }
    hidden.push_str(rest);
    hidden
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_values_of_a_secret_are_hidden_in_every_form() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret",
            "data": {"token": STANDARD.encode("hunter2 is it")}, "stringData": {"pin": "42", "key": "line one\nline two"}});
        let contraband = Contraband::of(&secret);
        assert!(contraband.is_secret());
        for (said, expected) in [
            ("token hunter2 is it is weak", "token (hidden) is weak"),
            (&*format!("data {}", STANDARD.encode("hunter2 is it")), "data (hidden)"),
            ("pin is 42, not 142", "pin is (hidden), not 142"),
            ("key \"line one\\nline two\"", "key \"(hidden)\""),
            ("begins with line one", "begins with (hidden)"),
            (&*STANDARD.encode("line one\nline two"), "(hidden)"),
        ] {
            assert_eq!(contraband.hide(said), expected);
        }
    }

    #[test]
    fn other_objects_hide_nothing() {
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "public"}});
        let contraband = Contraband::of(&config);
        assert_eq!((contraband.is_secret(), &*contraband.hide("public")), (false, "public"));
    }

    #[test]
    fn a_secret_of_any_shape_is_one() {
        for data in [json!(null), json!("text"), json!({"a": null, "b": 1, "c": "%", "d": ""})] {
            let contraband = Contraband::of(&json!({"apiVersion": "v1", "kind": "Secret", "data": data}));
            assert_eq!(contraband.hide("nothing to see"), "nothing to see");
        }
    }
}
