//! The variables of match conditions: `object`, `oldObject` and `request`, as CEL sees them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Value};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::cost::Size;
use super::expression;
use crate::review::clip::clip;
use crate::review::{JsonText, Review, tree};

/// Made once for a review, when the first candidate with conditions comes up.
pub(super) struct Activation {
    context: Context<'static, 'static>,
    size: Size,
}

impl Activation {
    /// # Errors
    /// A text that never repeats what it found.
    pub(super) fn of(review: &Review) -> Result<Self, String> {
        let mut size = Size::default();
        let mut context = Context::with_env(expression::env().ok_or("CEL is not available")?);
        let request = &review.request;
        for (name, object) in [("object", &request.object), ("oldObject", &request.old_object)] {
            let value = object.as_ref().map_or(Ok(Json::Null), |object| read(object.as_str(), name))?;
            context.add_variable_from_value(name, convert(value, &mut size));
        }
        context.add_variable_from_value("request", convert(request_fields(&review.text)?, &mut size));
        Ok(Self { context, size })
    }

    pub(super) const fn context(&self) -> &Context<'static, 'static> {
        &self.context
    }

    /// How large the variables are.
    pub(super) const fn size(&self) -> &Size {
        &self.size
    }
}

/// The request without its objects, absent fields absent: as the API server gives it to its own match conditions.
fn request_fields(request: &JsonText) -> Result<Json, String> {
    let fields: BTreeMap<Cow<str>, &RawValue> =
        serde_json::from_str(request.as_str()).map_err(|_| "request can not be read")?;
    fields
        .into_iter()
        .filter(|(name, _)| !matches!(&**name, "object" | "oldObject"))
        .map(|(name, text)| Ok((name.clone().into_owned(), read(text.get(), &name)?)))
        .collect()
}

fn read(text: &str, name: &str) -> Result<Json, String> {
    tree(text).map_err(|_| format!("{} can not be read", clip(name, 64)))
}

/// Integers are `int` as far as it reaches, other numbers `double`: what the API server makes of untyped JSON.
fn convert(value: Json, size: &mut Size) -> Value {
    size.values += 1;
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Int(integer),
            None => Value::Float(number.as_f64().unwrap_or(f64::INFINITY)),
        },
        Json::String(text) => {
            size.bytes += text.len();
            size.longest_string = text.len().max(size.longest_string);
            Value::String(Arc::new(text))
        }
        Json::Array(items) => {
            size.longest = items.len().max(size.longest);
            Value::List(Arc::new(items.into_iter().map(|item| convert(item, size)).collect()))
        }
        Json::Object(map) => {
            size.longest = map.len().max(size.longest);
            let mut entry = |(key, value): (String, Json)| {
                size.bytes += key.len();
                size.longest_string = key.len().max(size.longest_string);
                (Key::String(Arc::new(key)), convert(value, size))
            };
            let map: HashMap<Key, Value> = map.into_iter().map(&mut entry).collect();
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}
