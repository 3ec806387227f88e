//! What policies see of the world while manifests are judged: what the manifests themselves hold of it. They are read
//! once before, for what matters; nothing else is kept.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::cluster::{ClusterError, Inventory, Kind};
use crate::host::covers_kind;
use crate::policy::Catalog;
use crate::review::Served;
use crate::scan::{Chunks, Source, contents};

/// Kinds that the engine itself looks at.
const NAMESPACE: &str = "Namespace";
const DEFINITION: &str = "CustomResourceDefinition";

pub(super) struct World {
    pub inventory: Inventory,
    /// Kinds that the manifests define, by group and kind.
    pub defined: HashMap<(String, String), Served>,
}

/// Reads what policies may ask about, on all cores. What cannot be read is left out: it is reported when it is judged.
pub(super) fn gather(sources: &[Source], catalog: &Catalog, given: Inventory) -> Result<World, ClusterError> {
    let wanted = Wanted::of(catalog);
    let chunks = sources.iter().filter_map(|source| Some(Chunks::new(source.name().into(), source.open().ok()?)));
    let chunks = Mutex::new(chunks.flatten().filter_map(Result::ok).enumerate());
    let next = || chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
    let read = || {
        let mut found: Vec<(usize, Value)> = Vec::new();
        while let Some((at, chunk)) = next() {
            if wanted.mentioned_in(&chunk.text) {
                let values = contents(&chunk).objects.into_iter().map(|object| object.value);
                found.extend(values.filter(|value| wanted.has(value) || is_definition(value)).map(|value| (at, value)));
            }
        }
        found
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut found: Vec<(usize, Value)> = std::thread::scope(|scope| {
        let readers: Vec<_> = (1..cores).map(|_| scope.spawn(read)).collect();
        let own = read();
        // A reader that broke off has left things out, as what cannot be read is.
        own.into_iter().chain(readers.into_iter().flat_map(|reader| reader.join().unwrap_or_default())).collect()
    });
    // Of two objects of one name the last counts, whoever read it.
    found.sort_by_key(|(at, _)| *at);
    let defined = found.iter().filter_map(|(_, value)| definition(value)).collect();
    let kept = found.into_iter().map(|(_, value)| value).filter(|value| wanted.has(value));
    Ok(World { inventory: given.with(kept)?, defined })
}

/// The kinds that policies may read.
struct Wanted {
    patterns: Vec<String>,
    /// Words without which a text holds none of them; `None` where any kind may be read.
    words: Option<BTreeSet<String>>,
}

impl Wanted {
    fn of(catalog: &Catalog) -> Self {
        let specs = catalog.revisions.iter().map(|revision| Arc::clone(&revision.spec));
        let patterns: Vec<String> = specs.flat_map(|spec| spec.permissions.read.clone()).collect();
        let mut words = Some(BTreeSet::from([NAMESPACE, DEFINITION].map(str::to_owned)));
        for pattern in &patterns {
            match pattern.rsplit_once('/').map_or("*", |(_, kind)| kind) {
                "*" => words = None,
                kind => words.iter_mut().for_each(|words| words.extend([kind.to_owned()])),
            }
        }
        Self { patterns, words }
    }

    fn mentioned_in(&self, text: &str) -> bool {
        self.words.as_ref().is_none_or(|words| words.iter().any(|word| text.contains(word.as_str())))
    }

    fn has(&self, value: &Value) -> bool {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let Ok(kind) = Kind::new(text("apiVersion"), text("kind")) else { return false };
        (kind.api_version(), kind.kind()) == ("v1", NAMESPACE) || covers_kind(&self.patterns, &kind)
    }
}

fn is_definition(value: &Value) -> bool {
    value.get("kind").is_some_and(|kind| kind == DEFINITION)
}

/// The kind that a `CustomResourceDefinition` defines.
fn definition(value: &Value) -> Option<((String, String), Served)> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    if !is_definition(value) {
        return None;
    }
    let plural = text("/spec/names/plural")?.to_owned();
    let namespaced = text("/spec/scope") != Some("Cluster");
    Some(((text("/spec/group")?.to_owned(), text("/spec/names/kind")?.to_owned()), Served { plural, namespaced }))
}
