//! Names of types and fields: whatever a definition calls them, they are words that TypeScript takes.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// Words that a type cannot be called by, and those that the printed types use themselves.
const TAKEN: &[&str] = &[
    "Array",
    "KubernetesObject",
    "ListMeta",
    "ObjectMeta",
    "Record",
    "any",
    "arguments",
    "as",
    "async",
    "await",
    "bigint",
    "boolean",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "never",
    "new",
    "null",
    "number",
    "object",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "string",
    "super",
    "switch",
    "symbol",
    "this",
    "throw",
    "true",
    "try",
    "type",
    "typeof",
    "undefined",
    "unknown",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// Far longer than any name that means something: nested fields add up.
const LONGEST: usize = 120;

/// The names of one module, each of them once.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// The number to try next behind a name that is taken: a stranger may give the same one a hundred thousand times.
    next: HashMap<String, usize>,
}

impl Names {
    /// A name like `wanted` that no other type of the module has.
    pub fn take(&mut self, wanted: &str) -> String {
        let base = type_name(wanted);
        let next = self.next.entry(base.clone()).or_insert(1);
        loop {
            let name = if *next == 1 { base.clone() } else { format!("{base}{next}") };
            *next += 1;
            if !TAKEN.contains(&&*name) && self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// `wanted` as one word that begins with a letter.
fn type_name(wanted: &str) -> String {
    let mut name = String::new();
    let mut begins = true;
    for character in wanted.chars() {
        if name.len() >= LONGEST {
            break;
        }
        if !character.is_ascii_alphanumeric() {
            begins = true;
            continue;
        }
        name.push(if begins { character.to_ascii_uppercase() } else { character });
        begins = false;
    }
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) { name } else { format!("Type{name}") }
}

/// A field as it stands in an interface: plain where that is an identifier, else quoted.
pub(super) fn field(name: &str) -> String {
    let mut characters = name.chars();
    let starts = |character: char| character.is_ascii_alphabetic() || matches!(character, '_' | '$');
    let plain = characters.next().is_some_and(starts)
        && characters.all(|character| starts(character) || character.is_ascii_digit());
    if plain { name.to_owned() } else { quoted(name) }
}

/// A string literal.
pub(super) fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    // Characters that end a line, or that an editor shows as something else.
    let mut literal = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            // Writing to a String cannot fail.
            let _ = write!(literal, "\\u{:04x}", u32::from(character));
        } else {
            literal.push(character);
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_once() {
        let mut names = Names::default();
        let taken: Vec<String> =
            ["WidgetSpec", "WidgetSpec", "widget-spec", "Record", "string", "", "9lives", "a.b/c", "ünïcode"]
                .iter()
                .map(|wanted| names.take(wanted))
                .collect();
        let expected =
            ["WidgetSpec", "WidgetSpec2", "WidgetSpec3", "Record2", "String", "Type", "Type9lives", "ABC", "NCode"];
        assert_eq!(taken, expected);
    }

    #[test]
    fn a_field_is_plain_or_quoted() {
        for (name, expected) in [
            ("replicas", "replicas"),
            ("class", "class"),
            ("__proto__", "__proto__"),
            ("$ref", "$ref"),
            ("x-y", r#""x-y""#),
            ("", r#""""#),
            ("a\"b\n", r#""a\"b\n""#),
            ("\u{2028}", r#""\u2028""#),
            ("9", r#""9""#),
        ] {
            assert_eq!(field(name), expected);
        }
    }
}
