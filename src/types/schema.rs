//! A structural schema, as far as types are concerned.

use serde_json::{Map, Value};

/// One level of a schema, read leniently: what is not of its type is as if it were not there.
#[derive(Clone, Copy)]
pub(super) struct Schema<'s>(&'s Map<String, Value>);

/// What a value of a schema is.
pub(super) enum Shape<'s> {
    /// One of these JSON values.
    Enum(&'s [Value]),
    IntOrString,
    String,
    Number,
    Boolean,
    Array(Option<Schema<'s>>),
    /// An object with these fields, and perhaps others.
    Object {
        fields: Vec<(&'s str, Schema<'s>)>,
        is_open: bool,
        is_resource: bool,
    },
    /// An object whose fields are all of one schema.
    Map(Option<Schema<'s>>),
    Unknown,
}

impl<'s> Schema<'s> {
    pub fn of(value: &'s Value) -> Option<Self> {
        value.as_object().map(Self)
    }

    pub fn description(self) -> Option<&'s str> {
        self.text("description")
    }

    pub fn is_nullable(self) -> bool {
        self.flag("nullable")
    }

    pub fn requires(self, field: &str) -> bool {
        let required = self.0.get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|name| name == field))
    }

    pub fn shape(self) -> Shape<'s> {
        if self.flag("x-kubernetes-int-or-string") || self.text("format") == Some("int-or-string") {
            return Shape::IntOrString;
        }
        if let Some(values) = self.0.get("enum").and_then(Value::as_array).filter(|values| is_scalar(values)) {
            return Shape::Enum(values);
        }
        match self.text("type") {
            Some("string") => Shape::String,
            Some("integer" | "number") => Shape::Number,
            Some("boolean") => Shape::Boolean,
            Some("array") => Shape::Array(self.0.get("items").and_then(Self::of)),
            Some("object") => self.object(),
            None if self.0.contains_key("properties") => self.object(),
            _ => Shape::Unknown,
        }
    }

    fn object(self) -> Shape<'s> {
        let properties = self.0.get("properties").and_then(Value::as_object);
        let others = self.0.get("additionalProperties");
        let is_resource = self.flag("x-kubernetes-embedded-resource");
        match properties.filter(|properties| !properties.is_empty() || is_resource) {
            None if is_resource => Shape::Object { fields: Vec::new(), is_open: true, is_resource },
            None => Shape::Map(others.and_then(Self::of)),
            Some(properties) => {
                let fields = properties.iter().filter_map(|(name, schema)| Some((name.as_str(), Self::of(schema)?)));
                let is_open = self.flag("x-kubernetes-preserve-unknown-fields")
                    || others.is_some_and(|others| *others != Value::Bool(false));
                Shape::Object { fields: fields.collect(), is_open, is_resource }
            }
        }
    }

    fn text(self, keyword: &str) -> Option<&'s str> {
        self.0.get(keyword).and_then(Value::as_str)
    }

    fn flag(self, keyword: &str) -> bool {
        self.0.get(keyword).and_then(Value::as_bool).unwrap_or_default()
    }
}

/// Objects and arrays have no literal type.
fn is_scalar(values: &[Value]) -> bool {
    !values.is_empty() && !values.iter().any(|value| value.is_object() || value.is_array())
}
