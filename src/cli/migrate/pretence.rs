//! The world in which policies are compared: what they write is noted, and what they ask for is made up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::cluster::Inventory;
use crate::host::{Answer, HostError, Pretence};
use crate::migrate::compare::{Mood, World};

/// One world at a time, for one policy at a time.
#[derive(Default)]
pub(super) struct MadeUp(Mutex<Current>);

#[derive(Default)]
struct Current {
    world: World,
    inventory: Arc<Inventory>,
    writes: Vec<Value>,
}

impl MadeUp {
    /// Begins a run.
    pub(super) fn set(&self, world: &World) {
        let mut current = self.current();
        current.writes.clear();
        if current.world != *world {
            // What is no object is not there.
            current.inventory = Arc::new(Inventory::from_objects(world.inventory.iter().cloned()).unwrap_or_default());
            current.world = world.clone();
        }
    }

    /// Ends it: what was written.
    pub(super) fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.current().writes)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pretence for MadeUp {
    fn inventory(&self, _policy: &str) -> Arc<Inventory> {
        Arc::clone(&self.current().inventory)
    }

    fn write(&self, _policy: &str, verb: &str, arguments: &Value) -> Answer {
        let mut current = self.current();
        let object = arguments.get("object").cloned().unwrap_or_else(|| arguments.clone());
        current.writes.push(json!({"op": verb, "object": object}));
        match current.world.mood {
            Mood::Absent => Err(HostError::new("Unreachable", "nobody answers")),
            Mood::Stern if verb == "create" => Err(HostError::new("AlreadyExists", "it is there already")),
            Mood::Stern => Err(HostError::new("NotFound", "it is not there")),
            Mood::Kind => {
                let mut kept = object;
                if let Some(metadata) = kept.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.insert("resourceVersion".to_owned(), json!("1"));
                }
                Ok(Some(kept.to_string()))
            }
        }
    }

    fn fetch(&self, _policy: &str, arguments: &Value) -> Result<(u16, String), HostError> {
        let mut current = self.current();
        // Who asks otherwise does not do the same.
        current.writes.push(json!({"op": "fetch", "request": arguments}));
        let body = current.world.body.clone();
        match current.world.mood {
            Mood::Kind => Ok((200, body)),
            Mood::Stern => Ok((404, body)),
            Mood::Absent => Err(HostError::new("FetchFailed", "nobody answers")),
        }
    }

    fn variable(&self, _name: &str) -> Option<String> {
        self.current().world.text.clone()
    }

    fn file(&self, _path: &str) -> Option<String> {
        self.current().world.text.clone()
    }
}
