//! Whether an answer is the one that a case expects, field by field.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::case::Case;
use super::diff::{Change, changes, same};
use super::expect::Text;
use super::request::Made;
use super::stage::Came;
use crate::decision::{Effect, apply};
use crate::engine::Judgement;

/// A field of the expectation that the answer does not meet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Miss {
    pub field: &'static str,
    pub expected: Value,
    pub got: Value,
    /// Where the two differ, for what has parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// What came of a case.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    allowed: bool,
    message: String,
    code: Option<u16>,
    reason: Option<String>,
    fields: Vec<String>,
    warnings: Vec<String>,
    /// As the API server gets them, and by the keys that the policies gave.
    audit: Vec<(String, String)>,
    errors: Vec<String>,
    patch: Value,
    pub patched: Option<Value>,
    patched_wrongly: Option<String>,
    filled: Option<String>,
    writes: Vec<Value>,
    asked_nobody: bool,
}

impl Answer {
    pub(super) fn of(judgement: &Judgement, made: &Made, writes: Vec<Value>) -> Self {
        let decision = &judgement.decision;
        let status = decision.status.as_ref();
        let mut audit = decision.audit.clone();
        let mut errors = Vec::new();
        let verdicts = || judgement.evaluated.iter().map(|one| &one.verdict).chain(&judgement.unasked);
        for verdict in verdicts() {
            audit.extend(verdict.audit.iter().cloned());
            if let Effect::Error(error) = &verdict.effect {
                errors.push(error.message.clone());
            }
        }
        // A fault of the engine's own is no verdict.
        if let Some(status) = status.filter(|status| errors.is_empty() && status.code == 500) {
            errors.push(status.message.clone());
        }
        let mut patched = made.object.clone();
        let result = apply(&decision.patch, &mut patched);
        let causes = status.map(|status| status.causes.as_slice()).unwrap_or_default();
        Self {
            allowed: decision.allowed,
            message: status.map(|status| status.message.clone()).unwrap_or_default(),
            code: status.map(|status| status.code),
            reason: status.and_then(|status| status.reason.clone()),
            fields: causes.iter().filter_map(|cause| cause.field.clone()).collect(),
            warnings: decision.warnings.clone(),
            audit,
            errors,
            patch: serde_json::to_value(&decision.patch).unwrap_or_default(),
            patched_wrongly: result.err().map(|error| error.to_string()),
            patched: Some(without_filled(patched, made.filled.as_deref())),
            filled: made.filled.clone(),
            writes,
            asked_nobody: verdicts().next().is_none(),
        }
    }
}

impl Answer {
    pub(super) fn came(&self) -> Came {
        let has_patch = self.patch.as_array().is_some_and(|operations| !operations.is_empty());
        match self {
            _ if !self.errors.is_empty() => Came::Failed,
            _ if !self.allowed => Came::Denied,
            _ if has_patch => Came::Changed,
            _ if !self.warnings.is_empty() => Came::Warned,
            _ => Came::Allowed,
        }
    }
}

/// An object that left its namespace out comes back without it.
fn without_filled(mut object: Value, filled: Option<&str>) -> Value {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    if let (Some(metadata), Some(filled)) = (metadata, filled)
        && metadata.get("namespace").is_some_and(|namespace| namespace == filled)
    {
        metadata.shift_remove("namespace");
    }
    object
}

/// All that is not as expected.
pub(super) fn check(case: &Case, answer: &Answer) -> Vec<Miss> {
    let expect = &case.expect;
    let mut misses = Misses(Vec::new());
    misses.error(expect.error.as_ref(), &answer.errors);
    misses.value("allowed", expect.allowed.as_ref(), &answer.allowed);
    misses.text("message", expect.message.as_ref(), &answer.message);
    misses.value("fields", expect.fields.as_ref(), &answer.fields);
    misses.value("code", expect.code.as_ref(), &answer.code);
    misses.value("reason", expect.reason.as_ref(), &answer.reason);
    misses.warnings(expect.warnings.as_deref(), &answer.warnings);
    misses.audit(expect.audit.as_ref(), &answer.audit);
    misses.value("patch", expect.patch.as_ref(), &answer.patch);
    if let Some(patched) = &expect.patched {
        misses.patched(patched.object.as_ref(), answer);
    }
    misses.writes(expect.writes.as_deref(), &answer.writes);
    if !misses.0.is_empty() && answer.asked_nobody {
        misses.put("match", json!("a policy that is asked"), json!("no policy of the folder matches the request"));
    }
    misses.0
}

struct Misses(Vec<Miss>);

impl Misses {
    fn put(&mut self, field: &'static str, expected: Value, got: Value) {
        self.0.push(Miss { field, expected, got, changes: Vec::new() });
    }

    /// For what has parts it is told where they differ.
    fn differ(&mut self, field: &'static str, expected: Value, got: Value) {
        let has_parts = expected.is_object() || expected.is_array();
        let changes = if has_parts { changes(&expected, &got) } else { Vec::new() };
        self.0.push(Miss { field, expected, got, changes });
    }

    fn value<E: Serialize, G: Serialize>(&mut self, field: &'static str, expected: Option<&E>, got: &G) {
        let Some(expected) = expected else { return };
        let (expected, got) = (json!(expected), json!(got));
        if !same(&expected, &got) {
            self.differ(field, expected, got);
        }
    }

    fn text(&mut self, field: &'static str, expected: Option<&Text>, got: &str) {
        if let Some(expected) = expected.filter(|expected| !expected.fits(got)) {
            self.put(field, expected.told(), got.into());
        }
    }

    fn error(&mut self, expected: Option<&Text>, got: &[String]) {
        let told = got.join("; ");
        match expected {
            None if !got.is_empty() => self.put("error", "none".into(), told.into()),
            Some(expected) if got.is_empty() => self.put("error", expected.told(), "none".into()),
            expected => self.text("error", expected, &told),
        }
    }

    fn warnings(&mut self, expected: Option<&[String]>, got: &[String]) {
        let Some(expected) = expected else { return };
        let fits =
            expected.len() == got.len() && expected.iter().zip(got).all(|(part, whole)| whole.contains(part.as_str()));
        if !fits {
            self.put("warnings", json!(expected), json!(got));
        }
    }

    /// `key`, or `policy.key` as it is in the answer; contract §2 has a slash between the two.
    fn audit(&mut self, expected: Option<&BTreeMap<String, String>>, got: &[(String, String)]) {
        let Some(expected) = expected else { return };
        let find = |key: &str| {
            let key = key.replace('/', ".");
            got.iter().find(|(name, _)| *name == key || name.replace('/', ".") == key).map(|(_, value)| value)
        };
        let found: BTreeMap<&str, Option<&String>> = expected.keys().map(|key| (key.as_str(), find(key))).collect();
        if expected.iter().any(|(key, value)| find(key) != Some(value)) {
            self.differ("audit", json!(expected), json!(found));
        }
    }

    fn patched(&mut self, expected: Option<&Value>, answer: &Answer) {
        if let Some(why) = &answer.patched_wrongly {
            self.put("patched", "an object".into(), why.as_str().into());
            return;
        }
        let got = answer.patched.clone().unwrap_or_default();
        let Some(expected) = expected else {
            let mend = "an object; `bylaw test --update` writes it";
            self.put("patched", mend.into(), got);
            return;
        };
        let expected = without_filled(expected.clone(), answer.filled.as_deref());
        if !same(&expected, &got) {
            self.differ("patched", expected, got);
        }
    }

    /// Of each write what the case names of it.
    fn writes(&mut self, expected: Option<&[Value]>, got: &[Value]) {
        let Some(expected) = expected else { return };
        let named = |expected: &Value, got: &Value| -> Value {
            let fields = expected.as_object().into_iter().flatten();
            fields.map(|(name, _)| (name.clone(), got.get(name).cloned().unwrap_or_default())).collect()
        };
        let told: Vec<Value> = (0..got.len())
            .filter_map(|at| {
                let got = got.get(at)?;
                Some(expected.get(at).map_or_else(|| got.clone(), |expected| named(expected, got)))
            })
            .collect();
        let (expected, told) = (json!(expected), json!(told));
        if !same(&expected, &told) {
            self.differ("writes", expected, told);
        }
    }
}
