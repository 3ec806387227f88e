//! The smallest JSON patch, within reason, that turns one document into another.
//!
//! Changes are made at the leaves: an object keeps its unchanged fields out of the patch, so that what nobody touched
//! can not be altered by passing through another number format. The same documents always give the same patch.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::align::{self, Step};
use super::patch::push_token;
use super::{PatchError, PatchOp};

/// Bounds of one patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffLimits {
    /// The API server's own bound on a client's JSON patch.
    pub ops: usize,
    /// Bytes of the operations as JSON, roughly. The API server takes requests of 3 MiB.
    pub bytes: usize,
}

impl Default for DiffLimits {
    fn default() -> Self {
        Self { ops: 10_000, bytes: 3 << 20 }
    }
}

/// The operations that turn `old` into `new`; none when they are equal. The order of keys does not count.
///
/// # Errors
/// [`PatchError::TooManyOps`] and [`PatchError::TooLarge`].
pub fn diff(old: &Value, new: &Value, limits: DiffLimits) -> Result<Vec<PatchOp>, PatchError> {
    let mut writer = Writer { ops: Vec::new(), bytes: 0, path: String::new(), cells_left: align::CELLS, limits };
    writer.values(old, new)?;
    Ok(writer.ops)
}

struct Writer {
    ops: Vec<PatchOp>,
    bytes: usize,
    /// Where the walk is, as a JSON pointer.
    path: String,
    /// What is left for the alignment of arrays.
    cells_left: usize,
    limits: DiffLimits,
}

impl Writer {
    fn values(&mut self, old: &Value, new: &Value) -> Result<(), PatchError> {
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => self.objects(old, new),
            (Value::Array(old), Value::Array(new)) => self.arrays(old, new),
            _ if old == new => Ok(()),
            _ => self.replace(new),
        }
    }

    fn objects(&mut self, old: &Map<String, Value>, new: &Map<String, Value>) -> Result<(), PatchError> {
        for (key, old) in old {
            self.at(key, |writer| match new.get(key) {
                Some(new) => writer.values(old, new),
                None => writer.remove(),
            })?;
        }
        for (key, value) in new {
            if !old.contains_key(key) {
                self.at(key, |writer| writer.add(value))?;
            }
        }
        Ok(())
    }

    fn arrays(&mut self, old: &[Value], new: &[Value]) -> Result<(), PatchError> {
        let (mut old_items, mut new_items) = (old.iter(), new.iter());
        let mut index = 0_usize;
        for step in align::align(old, new, &mut self.cells_left) {
            let old = if step == Step::Insert { None } else { old_items.next() };
            let new = if step == Step::Remove { None } else { new_items.next() };
            self.at_index(index, |writer| match (old, new) {
                (Some(old), Some(new)) => writer.elements(old, new),
                (Some(_), None) => writer.remove(),
                (None, Some(new)) => writer.add(new),
                (None, None) => Ok(()),
            })?;
            index += usize::from(new.is_some());
        }
        Ok(())
    }

    /// An element that took the place of another one by name is exchanged as a whole when that is shorter.
    fn elements(&mut self, old: &Value, new: &Value) -> Result<(), PatchError> {
        if align::name(old) == align::name(new) {
            return self.values(old, new);
        }
        let (ops, bytes) = (self.ops.len(), self.bytes);
        let changed = self.values(old, new);
        // What passes a limit on the way may still be short as a whole.
        if changed.is_err() || self.ops.len() > ops + 1 && self.bytes - bytes > self.cost(Some(new)) {
            self.ops.truncate(ops);
            self.bytes = bytes;
            self.replace(new)?;
        }
        Ok(())
    }

    fn at<R>(&mut self, key: &str, write: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        push_token(&mut self.path, key);
        let result = write(self);
        self.path.truncate(length);
        result
    }

    fn at_index<R>(&mut self, index: usize, write: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        let _ = write!(self.path, "/{index}");
        let result = write(self);
        self.path.truncate(length);
        result
    }

    fn add(&mut self, value: &Value) -> Result<(), PatchError> {
        let cost = self.cost(Some(value));
        let (path, value) = (self.path.clone(), value.clone());
        self.push(PatchOp::Add { path, value }, cost)
    }

    fn replace(&mut self, value: &Value) -> Result<(), PatchError> {
        let cost = self.cost(Some(value));
        let (path, value) = (self.path.clone(), value.clone());
        self.push(PatchOp::Replace { path, value }, cost)
    }

    fn remove(&mut self) -> Result<(), PatchError> {
        self.push(PatchOp::Remove { path: self.path.clone() }, self.cost(None))
    }

    fn push(&mut self, op: PatchOp, cost: usize) -> Result<(), PatchError> {
        self.bytes += cost;
        self.ops.push(op);
        if self.ops.len() > self.limits.ops {
            return Err(PatchError::TooManyOps { limit: self.limits.ops });
        }
        if self.bytes > self.limits.bytes {
            return Err(PatchError::TooLarge { limit: self.limits.bytes });
        }
        Ok(())
    }

    /// About the bytes of an operation at the current path as JSON.
    fn cost(&self, value: Option<&Value>) -> usize {
        const FRAME: usize = r#"{"op":"replace","path":"","value":},"#.len();
        FRAME + self.path.len() + value.map_or(0, length)
    }
}

/// About the bytes of `value` as JSON.
fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 3,
        Value::Array(items) => 2 + items.iter().map(length).sum::<usize>(),
        Value::Object(map) => 2 + map.iter().map(|(key, value)| key.len() + 4 + length(value)).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 6,
    }
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
