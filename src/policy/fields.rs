//! Reads an untyped object field by field and collects everything that is wrong with it, each by its path: one look at
//! the error mends the whole file.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::error::FieldError;

#[cfg(test)]
thread_local! {
    /// The paths of all fields that were asked for: compared with the schema.
    pub(super) static ASKED: RefCell<std::collections::BTreeSet<String>> = RefCell::default();
}

/// What was found wrong so far.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<FieldError>>);

impl Faults {
    pub(super) fn add(&self, field: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(FieldError { field: field.into(), message: message.into() });
    }

    pub(super) fn into_result(self) -> Result<(), Vec<FieldError>> {
        let faults = self.0.into_inner();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// One object that is being read. `null` counts as absent, as in Kubernetes.
pub(super) struct Fields<'v, 'f> {
    faults: &'f Faults,
    path: String,
    map: Option<&'v Map<String, Value>>,
    known: RefCell<Vec<&'static str>>,
}

impl<'v, 'f> Fields<'v, 'f> {
    /// Reads `value`, found at `path` (empty for the top). Anything but an object is a fault, and reads as empty.
    pub(super) fn of(value: &'v Value, path: &str, faults: &'f Faults) -> Self {
        let map = value.as_object();
        if map.is_none() {
            let field = if path.is_empty() { "(the whole)" } else { path };
            faults.add(field, format!("must be an object, not {}", type_name(value)));
        }
        Self { faults, path: path.to_owned(), map, known: RefCell::default() }
    }

    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn fault(&self, name: &str, message: impl Into<String>) {
        self.faults.add(self.path(name), message);
    }

    pub(super) fn faults(&self) -> &'f Faults {
        self.faults
    }

    pub(super) fn value(&self, name: &'static str) -> Option<&'v Value> {
        self.known.borrow_mut().push(name);
        #[cfg(test)]
        ASKED.with_borrow_mut(|asked| asked.insert(self.path(name)));
        self.map?.get(name).filter(|value| !value.is_null())
    }

    fn typed<T>(&self, name: &'static str, wanted: &str, read: impl Fn(&'v Value) -> Option<T>) -> Option<T> {
        let value = self.value(name)?;
        let read = read(value);
        if read.is_none() {
            self.fault(name, format!("must be {wanted}, not {}", type_name(value)));
        }
        read
    }

    pub(super) fn string(&self, name: &'static str) -> Option<&'v str> {
        self.typed(name, "a string", Value::as_str)
    }

    pub(super) fn boolean(&self, name: &'static str) -> Option<bool> {
        self.typed(name, "true or false", Value::as_bool)
    }

    pub(super) fn integer(&self, name: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let number = self.typed(name, "a whole number", whole_number)?;
        if !range.contains(&number) {
            self.fault(name, format!("must be from {} to {}, not {number}", range.start(), range.end()));
            return None;
        }
        Some(number)
    }

    /// `None` where the field is absent.
    pub(super) fn list(&self, name: &'static str) -> Option<&'v [Value]> {
        self.typed(name, "a list", Value::as_array).map(Vec::as_slice)
    }

    /// `None` where the field is absent; what is no string is a fault and left out.
    pub(super) fn strings(&self, name: &'static str) -> Option<Vec<String>> {
        let list = self.list(name)?;
        let mut strings = Vec::with_capacity(list.len());
        for (index, item) in list.iter().enumerate() {
            match item.as_str() {
                Some(text) => strings.push(text.to_owned()),
                None => self.fault(&format!("{name}[{index}]"), format!("must be a string, not {}", type_name(item))),
            }
        }
        Some(strings)
    }

    pub(super) fn object(&self, name: &'static str) -> Option<Self> {
        let value = self.value(name)?;
        Some(Self::of(value, &self.path(name), self.faults))
    }

    /// One of some words, exactly.
    pub(super) fn choice<T: Copy>(&self, name: &'static str, words: &[(&str, T)]) -> Option<T> {
        let word = self.string(name)?;
        let found = words.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.fault(name, format!("`{}` must be one of {}", clip(word), list_words(words)));
        }
        found
    }

    /// Names of fields that were never asked for.
    pub(super) fn unknown(&self) -> Vec<String> {
        let known = self.known.borrow();
        let keys = self.map.into_iter().flat_map(Map::keys);
        keys.filter(|key| !known.contains(&key.as_str())).map(|key| clip(key)).collect()
    }

    /// Makes a fault of each field that was never asked for.
    pub(super) fn refuse_unknown(&self) {
        for name in self.unknown() {
            let known = self.known.borrow();
            let message = match closest(&name, &known) {
                Some(meant) => format!("is not a field; did you mean `{meant}`?"),
                None => format!("is not a field; there are {}", known.join(", ")),
            };
            drop(known);
            self.fault(&name, message);
        }
    }
}

/// JavaScript has one kind of number: `10` may come as `10.0`.
fn whole_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9.0e15)?;
        format!("{number:.0}").parse().ok()
    })
}

fn list_words<T>(words: &[(&str, T)]) -> String {
    words.iter().map(|(word, _)| *word).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
}

pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// What a stranger wrote, short enough for one line of a log.
pub(super) fn clip(text: &str) -> String {
    const LONGEST: usize = 80;
    let clean: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() { clean + "…" } else { clean }
}

/// The known word that a misspelt one most likely stands for.
pub(crate) fn closest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let near = known.iter().map(|candidate| (edit_distance(word, candidate), *candidate));
    near.filter(|(distance, candidate)| *distance <= 2 && *distance * 2 < candidate.len()).min().map(|(_, found)| found)
}

/// Levenshtein's distance, over bytes and without regard to case.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut costs: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.bytes().enumerate() {
        let mut diagonal = row;
        let mut last = row + 1;
        for (cost, b) in costs.iter_mut().skip(1).zip(right.bytes()) {
            let substituted = diagonal + usize::from(!a.eq_ignore_ascii_case(&b));
            diagonal = *cost;
            last = substituted.min(diagonal + 1).min(last + 1);
            *cost = last;
        }
        if let Some(first) = costs.first_mut() {
            *first = row + 1;
        }
    }
    costs.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(value: &Value, read: impl Fn(&Fields<'_, '_>)) -> Vec<String> {
        let faults = Faults::default();
        read(&Fields::of(value, "spec", &faults));
        faults.into_result().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_fault_is_named_by_its_path() {
        let value = json!({"name": 1, "flag": "yes", "count": 31, "list": ["a", 2], "word": "x", "part": []});
        let found = faults(&value, |fields| {
            fields.string("name");
            fields.boolean("flag");
            fields.integer("count", 1..=30);
            fields.strings("list");
            fields.choice("word", &[("a", 1), ("b", 2)]);
            fields.object("part");
        });
        let expected = [
            "spec.name: must be a string, not a number",
            "spec.flag: must be true or false, not a string",
            "spec.count: must be from 1 to 30, not 31",
            "spec.list[1]: must be a string, not a number",
            "spec.word: `x` must be one of a, b",
            "spec.part: must be an object, not a list",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn null_counts_as_absent() {
        assert!(faults(&json!({"name": null}), |fields| assert_eq!(fields.string("name"), None)).is_empty());
    }

    #[test]
    fn javascript_numbers_are_whole_when_they_are() {
        let read = |value: Value| faults(&value, |fields| assert_eq!(fields.integer("n", 1..=30), Some(10)));
        assert!(read(json!({"n": 10.0})).is_empty());
        assert!(!faults(&json!({"n": 1.5}), |fields| assert_eq!(fields.integer("n", 1..=30), None)).is_empty());
    }

    #[test]
    fn a_misspelt_field_is_guessed() {
        let read = |fields: &Fields<'_, '_>| {
            fields.value("operations");
            fields.value("resources");
            fields.refuse_unknown();
        };
        assert_eq!(
            faults(&json!({"operation": []}), read),
            ["spec.operation: is not a field; did you mean `operations`?"]
        );
        assert_eq!(faults(&json!({"zzz": []}), read), ["spec.zzz: is not a field; there are operations, resources"]);
    }

    #[test]
    fn distances_are_levenshteins() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("Abc", "abc"), 0);
    }

    #[test]
    fn what_a_stranger_wrote_is_clipped() {
        assert_eq!(clip("a\u{1b}b"), "a b");
        assert_eq!(clip(&"x".repeat(1000)).chars().count(), 81);
    }
}
