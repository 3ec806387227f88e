//! The world of a test case: what `get` and `list` see is given, what is written is recorded and reaches nobody, and
//! what is printed is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use super::HostError;
use crate::cluster::{Inventory, Kind, Write};
use crate::decision::{PatchOp, apply};
use crate::ledger::Ledger;

/// Lines that are kept of one case.
const MAX_LINES: usize = 1_000;

/// What a case's policies find and leave. Between cases it is set anew.
#[derive(Default)]
pub struct Rehearsal(Mutex<World>);

#[derive(Default)]
struct World {
    inventory: Arc<Inventory>,
    ledger: Ledger,
    recorded: Recorded,
}

/// What policies did that no answer tells.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// `{op, apiVersion, kind, namespace?, name?, object?, patch?, dryRun}`, in order.
    pub writes: Vec<Value>,
    /// Lines of `log` and `console`.
    pub lines: Vec<String>,
}

impl Rehearsal {
    /// Begins a case.
    pub fn set(&self, inventory: Arc<Inventory>, ledger: Ledger) {
        *self.world() = World { inventory, ledger, recorded: Recorded::default() };
    }

    /// Ends a case.
    #[must_use]
    pub fn take(&self) -> Recorded {
        std::mem::take(&mut self.world().recorded)
    }

    pub(super) fn inventory(&self) -> Arc<Inventory> {
        Arc::clone(&self.world().inventory)
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.world().ledger.clone()
    }

    pub(super) fn print(&self, line: &str) {
        let mut world = self.world();
        if world.recorded.lines.len() < MAX_LINES {
            world.recorded.lines.push(line.to_owned());
        }
    }

    /// Records a write and answers as the API server would. What is written is not read back: a server's reads come from
    /// a cache that learns of it later.
    pub(super) fn write(&self, kind: &Kind, write: &Write, dry_run: bool) -> Result<String, HostError> {
        let mut world = self.world();
        let answer = answer(&world.inventory, kind, write)?;
        let mut entry = Map::new();
        let op = match write {
            Write::Create { .. } => "create",
            Write::Update { .. } => "update",
            Write::MergePatch { .. } | Write::JsonPatch { .. } => "patch",
            Write::Apply { .. } => "apply",
            Write::Remove { .. } => "remove",
        };
        let given = match write {
            Write::Create { object, .. } | Write::Update { object, .. } | Write::Apply { object, .. } => {
                Some(("object", object))
            }
            Write::MergePatch { patch, .. } | Write::JsonPatch { patch, .. } => Some(("patch", patch)),
            Write::Remove { .. } => None,
        };
        entry.insert("op".to_owned(), op.into());
        entry.insert("apiVersion".to_owned(), kind.api_version().into());
        entry.insert("kind".to_owned(), kind.kind().into());
        if !write.namespace().is_empty() {
            entry.insert("namespace".to_owned(), write.namespace().into());
        }
        let name = write.name().map(str::to_owned).or_else(|| name_of(&answer));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            entry.insert("name".to_owned(), name.into());
        }
        if let Some((field, text)) = given {
            entry.insert(field.to_owned(), tree(text)?);
        }
        entry.insert("dryRun".to_owned(), dry_run.into());
        world.recorded.writes.push(Value::Object(entry));
        Ok(answer.to_string())
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(inventory: &Inventory, kind: &Kind, write: &Write) -> Result<Value, HostError> {
    let find = |name: &str| inventory.of(kind).and_then(|store| store.get(write.namespace(), name));
    let found = |name: &str| {
        let text = find(name).ok_or_else(|| {
            let mend = "put it into the `inventory` of the case";
            HostError::new("NotFound", format!("{kind} {name:?} not found; {mend}"))
        })?;
        tree(&text)
    };
    match write {
        Write::Create { object, .. } => {
            let object = tree(object)?;
            match name_of(&object) {
                Some(name) if find(&name).is_some() => {
                    Err(HostError::new("AlreadyExists", format!("{kind} {name:?} already exists")))
                }
                _ => Ok(object),
            }
        }
        Write::Apply { name, object, .. } => {
            let mut merged = find(name).map_or_else(|| Ok(json!({})), |text| tree(&text))?;
            merge(&mut merged, tree(object)?);
            Ok(merged)
        }
        Write::Update { name, object, .. } => found(name).and_then(|_| tree(object)),
        Write::MergePatch { name, patch, .. } => {
            let mut object = found(name)?;
            merge(&mut object, tree(patch)?);
            Ok(object)
        }
        Write::JsonPatch { name, patch, .. } => {
            let mut object = found(name)?;
            let operations = operations(&tree(patch)?)?;
            apply(&operations, &mut object).map_err(|error| HostError::new("Invalid", error.to_string()))?;
            Ok(object)
        }
        Write::Remove { name, .. } => {
            found(name).map(|_| json!({ "apiVersion": "v1", "kind": "Status", "status": "Success" }))
        }
    }
}

fn tree(text: &str) -> Result<Value, HostError> {
    serde_json::from_str(text).map_err(|error| HostError::new("Invalid", error.to_string()))
}

fn name_of(object: &Value) -> Option<String> {
    object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned)
}

/// RFC 7386.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            fields.shift_remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn operations(list: &Value) -> Result<Vec<PatchOp>, HostError> {
    let operation = |one: &Value| {
        let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
        let path = text("path").to_owned();
        let value = one.get("value").cloned().unwrap_or_default();
        match text("op") {
            "add" => Ok(PatchOp::Add { path, value }),
            "remove" => Ok(PatchOp::Remove { path }),
            "replace" => Ok(PatchOp::Replace { path, value }),
            other => Err(HostError::new("Invalid", format!("a case knows no answer to a patch with the op {other:?}"))),
        }
    };
    list.as_array().into_iter().flatten().map(operation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rehearsal() -> Rehearsal {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "known", "namespace": "a"}, "data": {"x": "1"}});
        let rehearsal = Rehearsal::default();
        rehearsal.set(Arc::new(Inventory::from_objects([map]).unwrap()), Ledger::default());
        rehearsal
    }

    fn config_map() -> Kind {
        Kind::new("v1", "ConfigMap").unwrap()
    }

    #[test]
    fn writes_are_answered_and_recorded_in_order() {
        let rehearsal = rehearsal();
        let object = json!({"metadata": {"name": "new", "namespace": "a"}}).to_string();
        let named = |name: &str| (String::from("a"), name.to_owned());
        let (namespace, name) = named("known");
        let writes = [
            Write::Create { namespace: "a".to_owned(), object },
            Write::MergePatch {
                namespace: namespace.clone(),
                name: name.clone(),
                patch: r#"{"data":{"x":null,"y":"2"}}"#.to_owned(),
            },
            Write::JsonPatch {
                namespace: namespace.clone(),
                name: name.clone(),
                patch: r#"[{"op":"add","path":"/data/z","value":"3"}]"#.to_owned(),
            },
            Write::Remove { namespace, name },
        ];
        let answers: Vec<Value> = writes
            .iter()
            .map(|write| serde_json::from_str(&rehearsal.write(&config_map(), write, true).unwrap()).unwrap())
            .collect();
        assert_eq!(answers[1]["data"], json!({"y": "2"}));
        assert_eq!(answers[2]["data"], json!({"x": "1", "z": "3"}), "what is written is not read back");
        let told: Vec<Value> =
            rehearsal.take().writes.iter().map(|write| json!([write["op"], write["name"]])).collect();
        assert_eq!(
            json!(told),
            json!([["create", "new"], ["patch", "known"], ["patch", "known"], ["remove", "known"]])
        );
        assert!(rehearsal.take().writes.is_empty());
    }

    #[test]
    fn what_is_applied_is_laid_over_what_is_there() {
        let rehearsal = rehearsal();
        let apply = |name: &str, object: Value| {
            let write = Write::Apply {
                namespace: "a".to_owned(),
                name: name.to_owned(),
                object: object.to_string(),
                manager: "bylaw/p".to_owned(),
                force: true,
            };
            serde_json::from_str::<Value>(&rehearsal.write(&config_map(), &write, false).unwrap()).unwrap()
        };
        let known = apply("known", json!({"metadata": {"name": "known"}, "data": {"y": "2"}}));
        assert_eq!(known["data"], json!({"x": "1", "y": "2"}));
        assert_eq!(apply("new", json!({"metadata": {"name": "new"}}))["metadata"]["name"], "new");
        let told: Vec<Value> =
            rehearsal.take().writes.iter().map(|write| json!([write["op"], write["name"]])).collect();
        assert_eq!(json!(told), json!([["apply", "known"], ["apply", "new"]]));
    }

    #[test]
    fn what_is_not_there_is_not_found_and_what_is_there_already_exists() {
        let rehearsal = rehearsal();
        let missing = Write::Remove { namespace: "a".to_owned(), name: "nope".to_owned() };
        assert_eq!(rehearsal.write(&config_map(), &missing, false).unwrap_err().reason, "NotFound");
        let object = json!({"metadata": {"name": "known", "namespace": "a"}}).to_string();
        let again = Write::Create { namespace: "a".to_owned(), object };
        assert_eq!(rehearsal.write(&config_map(), &again, false).unwrap_err().reason, "AlreadyExists");
        assert!(rehearsal.take().writes.is_empty(), "what was refused was not done");
    }
}
