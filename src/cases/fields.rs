//! A case as it is written: its fields in order, each with the place of its name and of its value.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use super::error::{Fault, Place};
use crate::policy::closest;

/// The one field whose own fields have places too.
pub(super) const EXPECT: &str = "expect";

/// A mapping with the places of its parts.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<Field>);

#[derive(Debug)]
struct Field {
    name: Spanned<String>,
    value: Spanned<Value>,
    inner: Option<Fields>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            let field = if name.value == EXPECT {
                let inner = map.next_value::<Spanned<Option<Fields>>>()?;
                let value = Spanned { value: Value::Null, referenced: inner.referenced, defined: inner.defined };
                Field { name, value, inner: inner.value }
            } else {
                Field { name, value: map.next_value()?, inner: None }
            };
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

/// What one reader of fields takes, one by one; what is left at the end is unknown.
pub(super) struct Taken<'f> {
    file: &'f Place,
    fields: BTreeMap<String, Field>,
    faults: &'f mut Vec<Fault>,
    /// Faults of others.
    before: usize,
}

impl<'f> Taken<'f> {
    pub(super) fn new(fields: Fields, file: &'f Place, faults: &'f mut Vec<Fault>) -> Self {
        let fields = fields.0.into_iter().map(|field| (field.name.value.clone(), field)).collect();
        let before = faults.len();
        Self { file, fields, faults, before }
    }

    /// The place of a field's name.
    pub(super) fn place(&self, name: &str) -> Option<Place> {
        self.fields.get(name).map(|field| at(self.file, field.name.referenced))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// A field of one type. `what` says which, for one who wrote another.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str, what: &str) -> Option<T> {
        let (value, place) = self.value(name)?;
        self.typed(name, what, value, place)
    }

    /// A field and the place of its value; `None` also where it is empty.
    pub(super) fn value(&mut self, name: &str) -> Option<(Value, Place)> {
        let field = self.fields.remove(name)?;
        let place = at(self.file, field.value.referenced);
        (!field.value.value.is_null()).then_some((field.value.value, place))
    }

    pub(super) fn inner(&mut self, name: &str) -> Option<(Option<Fields>, Place)> {
        let field = self.fields.remove(name)?;
        Some((field.inner, at(self.file, field.value.referenced)))
    }

    pub(super) fn typed<T: DeserializeOwned>(
        &mut self,
        name: &str,
        what: &str,
        value: Value,
        place: Place,
    ) -> Option<T> {
        let kind = kind_of(&value);
        let typed = serde_json::from_value(value).ok();
        if typed.is_none() {
            self.fault(place, format!("{name}: must be {what}, not {kind}"));
        }
        typed
    }

    /// Whether anything was found wrong so far.
    pub(super) fn is_faulty(&self) -> bool {
        self.faults.len() > self.before
    }

    pub(super) fn fault(&mut self, place: Place, message: impl Into<String>) {
        self.faults.push(Fault { place, message: message.into() });
    }

    /// Whatever was not taken is nothing that there is.
    pub(super) fn finish(self, known: &[&str]) {
        for (name, field) in self.fields {
            let mend = closest(&name, known)
                .map_or_else(|| format!("there are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            let place = at(self.file, field.name.referenced);
            self.faults.push(Fault { place, message: format!("{name}: is not a field; {mend}") });
        }
    }
}

pub(super) fn at(file: &Place, location: Location) -> Place {
    Place { line: location.line(), column: location.column(), ..file.clone() }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
