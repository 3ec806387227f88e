//! What policies see of the world while manifests are judged: what the manifests themselves hold of it. They are read
//! once before, for what matters; nothing else is kept.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use crate::cli::manifest::Served;
use crate::cluster::{ClusterError, Inventory, Kind};
use crate::host::covers_kind;
use crate::policy::Catalog;
use crate::scan::{Chunks, Source, contents};

/// Kinds that the engine itself looks at.
const NAMESPACE: &str = "Namespace";
const DEFINITION: &str = "CustomResourceDefinition";

pub(super) struct World {
    pub inventory: Inventory,
    /// Kinds that the manifests define, by group and kind.
    pub defined: HashMap<(String, String), Served>,
}

/// Reads what policies may ask about. What cannot be read is left out: it is reported when it is judged.
pub(super) fn gather(sources: &[Source], catalog: &Catalog, given: Inventory) -> Result<World, ClusterError> {
    let wanted = Wanted::of(catalog);
    let mut defined = HashMap::new();
    let chunks = sources.iter().filter_map(|source| Some(Chunks::new(source.name().into(), source.open().ok()?)));
    let chunks = chunks.flatten().filter_map(Result::ok).filter(|chunk| wanted.mentioned_in(&chunk.text));
    let values = chunks.flat_map(|chunk| contents(&chunk).objects).map(|object| object.value);
    let kept = values.filter(|value| {
        defined.extend(definition(value));
        wanted.has(value)
    });
    let inventory = given.with(kept)?;
    Ok(World { inventory, defined })
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

/// The kind that a `CustomResourceDefinition` defines.
fn definition(value: &Value) -> Option<((String, String), Served)> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    if text("/kind") != Some(DEFINITION) {
        return None;
    }
    let plural = text("/spec/names/plural")?.to_owned();
    let namespaced = text("/spec/scope") != Some("Cluster");
    Some(((text("/spec/group")?.to_owned(), text("/spec/names/kind")?.to_owned()), Served { plural, namespaced }))
}
