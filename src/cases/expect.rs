//! What a case expects of the answer. Only what it names is looked at.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::error::{Fault, Place};
use super::fields::{Fields, Taken};

const FIELDS: [&str; 11] =
    ["allowed", "message", "fields", "code", "reason", "warnings", "audit", "patched", "patch", "error", "writes"];

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expectation {
    pub allowed: Option<bool>,
    pub message: Option<Text>,
    /// Of the denials, in order.
    pub fields: Option<Vec<String>>,
    pub code: Option<u16>,
    pub reason: Option<String>,
    /// A part of each warning, in order; none at all where empty.
    pub warnings: Option<Vec<String>>,
    pub audit: Option<BTreeMap<String, String>>,
    pub patched: Option<Patched>,
    /// RFC 6902.
    pub patch: Option<Value>,
    /// A part of the error that a policy ends with. Without it an error is a miss, whatever else is expected.
    pub error: Option<Text>,
    pub writes: Option<Vec<Value>>,
}

/// The object as it comes out of the mutating policies.
#[derive(Debug, Clone)]
pub struct Patched {
    /// `None`: to be written by `--update`.
    pub object: Option<Value>,
    /// Of the field's name, where `--update` writes.
    pub place: Place,
    /// Of the mapping that it is in.
    pub within: Place,
}

/// Where it stands is no part of what is expected.
impl PartialEq for Patched {
    fn eq(&self, other: &Self) -> bool {
        self.object == other.object
    }
}

/// How a text is expected to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Each of these is in it.
    Contains(Vec<String>),
    Equals(String),
}

impl Text {
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Contains(parts) => parts.iter().all(|part| text.contains(part.as_str())),
            Self::Equals(whole) => text == whole,
        }
    }

    /// As it is told beside what came.
    #[must_use]
    pub fn told(&self) -> Value {
        match self {
            Self::Contains(parts) if parts.is_empty() => Value::from("any"),
            Self::Contains(parts) => Value::from(format!("… {} …", parts.join(" … "))),
            Self::Equals(whole) => Value::from(whole.as_str()),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextForm {
    Part(String),
    Any(bool),
    Contains(Contains),
    Equals(Equals),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contains {
    contains: OneOrMany,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Equals {
    equals: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Expectation {
    pub(super) fn read(fields: Fields, place: &Place, faults: &mut Vec<Fault>) -> Option<Self> {
        let before = faults.len();
        let within = place.clone();
        let mut taken = Taken::new(fields, place, faults);
        let patched = taken.place("patched").map(|place| {
            let object = taken.value("patched").map(|(object, _)| object);
            Patched { object, place, within: within.clone() }
        });
        let mut expect = Self {
            allowed: taken.take("allowed", "true or false"),
            message: text(&mut taken, "message", false),
            fields: taken.take("fields", "a list of fields"),
            code: taken.take("code", "an HTTP status code"),
            reason: taken.take("reason", "text"),
            warnings: taken.take("warnings", "a list of texts"),
            audit: taken.take("audit", "a mapping of keys to texts"),
            patched,
            patch: taken.value("patch").map(|(patch, _)| patch),
            error: text(&mut taken, "error", true),
            writes: taken.take("writes", "a list of writes"),
        };
        check_patch(&mut taken, place, expect.patch.as_ref());
        check_writes(&mut taken, place, expect.writes.as_deref().unwrap_or_default());
        if !taken.is_faulty() && expect.says_nothing() && expect.error.is_none() {
            taken.fault(place.clone(), "expect: is empty: say what the answer is to be, such as { allowed: true }");
        }
        taken.finish(&FIELDS);
        // An error that is expected decides by the policy's failure mode; nothing else has to be said of it.
        if expect.patched.is_some() && expect.allowed.is_none() {
            expect.allowed = Some(true);
        }
        (faults.len() == before).then_some(expect)
    }

    fn says_nothing(&self) -> bool {
        let Self { allowed, message, fields, code, reason, warnings, audit, patched, patch, error: _, writes } = self;
        allowed.is_none()
            && message.is_none()
            && fields.is_none()
            && code.is_none()
            && reason.is_none()
            && warnings.is_none()
            && audit.is_none()
            && patched.is_none()
            && patch.is_none()
            && writes.is_none()
    }
}

/// `false` for an error that is not to come is what a case without the field says already.
fn text(taken: &mut Taken<'_>, name: &str, may_be_any: bool) -> Option<Text> {
    let (value, place) = taken.value(name)?;
    let what = if may_be_any {
        "true, a part of it, { contains: … } or { equals: … }"
    } else {
        "a part of it, { contains: … } or { equals: … }"
    };
    // A list would do for a mapping with one field.
    if value.is_array() {
        taken.fault(place, format!("{name}: must be {what}, not a list"));
        return None;
    }
    match taken.typed(name, what, value, place.clone())? {
        TextForm::Part(part) | TextForm::Contains(Contains { contains: OneOrMany::One(part) }) => {
            Some(Text::Contains(vec![part]))
        }
        TextForm::Contains(Contains { contains: OneOrMany::Many(parts) }) => Some(Text::Contains(parts)),
        TextForm::Equals(Equals { equals }) => Some(Text::Equals(equals)),
        TextForm::Any(true) if may_be_any => Some(Text::Contains(Vec::new())),
        TextForm::Any(false) if may_be_any => None,
        TextForm::Any(_) => {
            taken.fault(place, format!("{name}: must be {what}"));
            None
        }
    }
}

fn check_patch(taken: &mut Taken<'_>, place: &Place, patch: Option<&Value>) {
    let Some(patch) = patch else { return };
    let is_operation = |one: &Value| {
        let text = |name: &str| one.get(name).is_some_and(Value::is_string);
        text("op") && text("path")
    };
    if !patch.as_array().is_some_and(|operations| operations.iter().all(is_operation)) {
        let message = "patch: must be a list of operations of RFC 6902, such as { op: add, path: /a, value: 1 }";
        taken.fault(place.clone(), message);
    }
}

fn check_writes(taken: &mut Taken<'_>, place: &Place, writes: &[Value]) {
    for write in writes {
        let is_verb = |verb: &str| ["create", "update", "patch", "apply", "remove"].contains(&verb);
        if !write.get("op").and_then(Value::as_str).is_some_and(is_verb) {
            let message = "writes: each says its `op` (create, update, patch or remove) and, of kind, apiVersion, \
                           namespace, name, object, patch and dryRun, what it is to be";
            taken.fault(place.clone(), message);
        }
    }
}
