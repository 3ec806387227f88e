//! Carries an object through mutating policies without letting JavaScript's numbers into it.
//!
//! JavaScript has doubles only: 9007199254740993 goes in and 9007199254740992 comes out, in fields that no policy
//! touched. So each change is computed between two texts that JavaScript wrote, where what it does to numbers happened
//! to both sides, and only the change is applied to the exact object.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::{DiffLimits, Mutation, PatchError, PatchOp, apply, diff};
use crate::review::{JsonText, tree};

/// The largest integer up to which every integer is a double of its own: 2^53 (`Number.MAX_SAFE_INTEGER` + 1).
const SAFE: f64 = 9_007_199_254_740_992.0;

/// An object on its way through mutating policies.
#[derive(Debug)]
pub struct Document {
    original: JsonText,
    /// The text of `current`.
    text: JsonText,
    current: Value,
    changes: Changes,
    limits: DiffLimits,
}

/// The change of one policy, not made yet.
#[derive(Debug)]
pub struct Step {
    ops: Vec<PatchOp>,
    /// The object afterwards; `None` where nothing changes.
    after: Option<Value>,
}

impl Step {
    /// What changes, and the object afterwards; `None` where nothing does.
    #[must_use]
    pub fn change(&self) -> Option<(&[PatchOp], &Value)> {
        self.after.as_ref().filter(|_| !self.ops.is_empty()).map(|after| (&*self.ops, after))
    }
}

#[derive(Debug)]
enum Changes {
    None,
    /// Of one policy: they are the patch.
    One(Vec<PatchOp>),
    /// Of several, which may have changed the same place.
    Many,
}

impl Document {
    /// # Errors
    /// [`PatchError::NotJson`] when the object holds what a tree of it can not, such as a lone surrogate.
    pub fn parse(original: &JsonText) -> Result<Self, PatchError> {
        let current = read("object", original.as_str())?;
        let (original, text) = (original.clone(), original.clone());
        Ok(Self { original, text, current, changes: Changes::None, limits: DiffLimits::default() })
    }

    /// Makes the change of one policy, which was run on the current text.
    ///
    /// # Errors
    /// [`PatchError::UnsafeInteger`] when the policy moved or replaced a value with an integer in it that JavaScript had
    /// already rounded; [`PatchError::WrongBase`] when `before` is not this object; the limits of [`diff`]. The document
    /// is unchanged then.
    pub fn apply(&mut self, mutation: &Mutation) -> Result<(), PatchError> {
        let step = self.step(mutation)?;
        self.take(step);
        Ok(())
    }

    /// What the change of one policy comes to. Nothing is changed yet.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn step(&self, mutation: &Mutation) -> Result<Step, PatchError> {
        if mutation.before == mutation.after {
            return Ok(Step { ops: Vec::new(), after: None });
        }
        let after = read("object after the mutation", &mutation.after)?;
        if !after.is_object() {
            return Err(PatchError::NotAnObject);
        }
        if self.text.as_str() == mutation.before {
            // JavaScript wrote what it had read: it holds every number of the object.
            let ops = diff(&self.current, &after, self.limits)?;
            return Ok(Step { ops, after: Some(after) });
        }
        self.rounded_step(&mutation.before, &after)
    }

    /// Makes a change that was found for the document as it is now.
    pub fn take(&mut self, step: Step) {
        let Step { ops, after } = step;
        if let Some(after) = after.filter(|_| !ops.is_empty()) {
            self.current = after;
            self.text = JsonText::of(&self.current);
            self.changes = if matches!(self.changes, Changes::None) { Changes::One(ops) } else { Changes::Many };
        }
    }

    /// The change from `before` to `after`, both as JavaScript sees them.
    fn rounded_step(&self, before: &str, after: &Value) -> Result<Step, PatchError> {
        let before = read("object before the mutation", before)?;
        same_in_javascript(&self.current, &before, &mut String::new())?;
        let ops = diff(&before, after, self.limits)?;
        Rounded::of(&self.current).check(&ops)?;
        let mut changed = self.current.clone();
        apply(&ops, &mut changed)?;
        Ok(Step { ops, after: Some(changed) })
    }

    /// The object as it is now, for the next policy.
    #[must_use]
    pub fn text(&self) -> JsonText {
        self.text.clone()
    }

    /// One patch for everything that happened.
    ///
    /// # Errors
    /// The limits of [`diff`].
    pub fn patch_from_original(self) -> Result<Vec<PatchOp>, PatchError> {
        match self.changes {
            Changes::None => Ok(Vec::new()),
            Changes::One(ops) => Ok(ops),
            Changes::Many => diff(&read("object", self.original.as_str())?, &self.current, self.limits),
        }
    }
}

fn read(what: &'static str, text: &str) -> Result<Value, PatchError> {
    tree(text).map_err(|error| PatchError::NotJson { what, message: error.to_string() })
}

/// Checks that `before` is what JavaScript makes of `exact`: the paths of a change mean the same in both.
fn same_in_javascript(exact: &Value, before: &Value, path: &mut String) -> Result<(), PatchError> {
    let same = match (exact, before) {
        (Value::Object(exact), Value::Object(before)) if exact.len() == before.len() => {
            for (key, value) in exact {
                let length = path.len();
                super::patch::push_token(path, key);
                let counterpart = before.get(key).ok_or_else(|| PatchError::WrongBase { path: path.clone() })?;
                same_in_javascript(value, counterpart, path)?;
                path.truncate(length);
            }
            true
        }
        (Value::Array(exact), Value::Array(before)) if exact.len() == before.len() => {
            for (index, (value, counterpart)) in exact.iter().zip(before).enumerate() {
                let length = path.len();
                super::patch::push_token(path, &index.to_string());
                same_in_javascript(value, counterpart, path)?;
                path.truncate(length);
            }
            true
        }
        (Value::Number(exact), Value::Number(before)) => bits(exact) == bits(before),
        // Beyond the doubles lies Infinity, which `JSON.stringify` writes as null.
        (Value::Number(exact), Value::Null) => double(exact).is_infinite(),
        (exact, before) => exact == before,
    };
    if same { Ok(()) } else { Err(PatchError::WrongBase { path: path.clone() }) }
}

/// The integers of an object that JavaScript rounds, by the bits of the double they become.
struct Rounded(BTreeMap<u64, String>);

impl Rounded {
    fn of(value: &Value) -> Self {
        let mut rounded = Self(BTreeMap::new());
        each_number(value, &mut |number| rounded.note(number));
        rounded
    }

    fn note(&mut self, number: &Number) {
        let double = double(number);
        if double.abs() < SAFE {
            return;
        }
        let exact = number.to_string();
        // Rust and JavaScript both write the fewest digits that give the same double, then zeros.
        let is_integer = exact.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if is_integer && exact != double.to_string() {
            self.0.insert(bits(number), exact);
        }
    }

    /// A policy that writes such a number may mean the rounded one, but far more likely it carries the exact one from
    /// one place to another: refuse rather than corrupt.
    fn check(&self, ops: &[PatchOp]) -> Result<(), PatchError> {
        if self.0.is_empty() {
            return Ok(());
        }
        for op in ops {
            let mut found = None;
            if let Some(value) = op.value() {
                each_number(value, &mut |number| {
                    if let Some(original) = self.0.get(&bits(number)) {
                        found = Some((number.to_string(), original.clone()));
                    }
                });
            }
            if let Some((number, original)) = found {
                return Err(PatchError::UnsafeInteger { path: op.path().to_owned(), number, original });
            }
        }
        Ok(())
    }
}

fn each_number(value: &Value, visit: &mut impl FnMut(&Number)) {
    match value {
        Value::Number(number) => visit(number),
        Value::Array(items) => items.iter().for_each(|item| each_number(item, visit)),
        Value::Object(map) => map.values().for_each(|value| each_number(value, visit)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Equal for numbers that JavaScript can not tell apart in JSON: it writes -0 as 0.
fn bits(number: &Number) -> u64 {
    (double(number) + 0.0).to_bits()
}

/// What JavaScript makes of a number: an infinity where no double reaches.
fn double(number: &Number) -> f64 {
    number.as_f64().unwrap_or_else(|| number.to_string().parse().unwrap_or(f64::INFINITY))
}

#[cfg(test)]
#[path = "exact_tests.rs"]
mod tests;
