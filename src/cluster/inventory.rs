//! `--inventory PATH`: the objects that `get` and `list` see without a cluster, read once from YAML or JSON.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::documents::{self, Document, Unreadable};
use super::object::{Labels, StoredObject};
use super::store::{Budget, KindStore};
use super::{ClusterError, Kind};
use crate::lint::built_in;

/// All inventories of one process together: what a large cluster's dump takes, and no more.
const BYTES: usize = 1 << 30;
/// One file.
const FILE_BYTES: u64 = 256 << 20;
/// Folders inside folders; deeper ones are a loop of links.
const DEPTH: usize = 16;

/// Objects by kind, and what the namespaces among them are labelled with.
#[derive(Debug)]
pub struct Inventory {
    kinds: HashMap<Kind, KindStore>,
    namespaces: HashMap<Arc<str>, Labels>,
    budget: Arc<Budget>,
}

impl Default for Inventory {
    fn default() -> Self {
        Self { kinds: HashMap::new(), namespaces: HashMap::new(), budget: Arc::new(Budget::new(BYTES)) }
    }
}

impl Inventory {
    /// Reads files, and folders with all `.yaml`, `.yml` and `.json` files in them. Where an object is given twice, the
    /// last one holds.
    ///
    /// # Errors
    /// The first thing that cannot be read or is no object, with file, line and column.
    pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Self, ClusterError> {
        let mut files = Vec::new();
        for path in paths {
            collect(path.as_ref(), 0, &mut files)?;
        }
        let mut inventory = Self::default();
        for file in files {
            inventory.add_file(&file)?;
        }
        inventory.index_namespaces();
        Ok(inventory)
    }

    /// An inventory of objects at hand, such as those of a test case.
    pub fn from_objects(objects: impl IntoIterator<Item = Value>) -> Result<Self, ClusterError> {
        let mut inventory = Self::default();
        for value in objects {
            let at = |cause| ClusterError::Malformed { what: "an object of the inventory".to_owned(), cause };
            inventory.add_value(value, &at)?;
        }
        inventory.index_namespaces();
        Ok(inventory)
    }

    /// Adds objects that others found; each stands over what is there by its name. What is no object is left out.
    ///
    /// # Errors
    /// Where there is no room for them all.
    pub fn with(mut self, objects: impl IntoIterator<Item = Value>) -> Result<Self, ClusterError> {
        for value in objects {
            let at = |cause| ClusterError::Malformed { what: "an object of the inventory".to_owned(), cause };
            if let Err(error @ ClusterError::TooLarge { .. }) = self.add_value(value, &at) {
                return Err(error);
            }
        }
        self.index_namespaces();
        Ok(self)
    }

    /// The objects of a kind; `None` where it has none.
    #[must_use]
    pub fn of(&self, kind: &Kind) -> Option<&KindStore> {
        self.kinds.get(kind)
    }

    /// The labels of a namespace that is in the inventory.
    #[must_use]
    pub fn namespace_labels(&self, namespace: &str) -> Option<Labels> {
        self.namespaces.get(namespace).cloned()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.kinds.values().map(KindStore::len).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    fn add_file(&mut self, path: &Path) -> Result<(), ClusterError> {
        let text = read(path)?;
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let documents = if is_json { documents::from_json(&text) } else { documents::from_yaml(&text) };
        let documents = documents.map_err(|Unreadable { line, column, cause }| ClusterError::InventoryObject {
            path: path.to_owned(),
            line,
            column,
            cause,
        })?;
        for Document { line, value } in documents {
            let at = |cause| ClusterError::InventoryObject { path: path.to_owned(), line, column: 1, cause };
            self.add_value(value, &at)?;
        }
        Ok(())
    }

    fn add_value(&mut self, value: Value, at: &dyn Fn(String) -> ClusterError) -> Result<(), ClusterError> {
        let Value::Object(object) = value else {
            return Err(at("not an object: each document needs apiVersion, kind and metadata".to_owned()));
        };
        let word = |field: &str| object.get(field).and_then(Value::as_str).map(str::to_owned);
        let api_version = word("apiVersion").ok_or_else(|| at("apiVersion is missing".to_owned()))?;
        let kind = word("kind").ok_or_else(|| at("kind is missing".to_owned()))?;
        let kind = Kind::new(&api_version, &kind).map_err(|error| at(error.to_string()))?;
        match items_of(&kind, object) {
            Contents::List(items) => items.into_iter().try_for_each(|item| self.add_value(item, at)),
            Contents::One(object) => self.add_object(kind, object, at),
        }
    }

    fn add_object(
        &mut self,
        kind: Kind,
        mut object: Map<String, Value>,
        at: &dyn Fn(String) -> ClusterError,
    ) -> Result<(), ClusterError> {
        complete(&kind, &mut object);
        let text = Value::Object(object).to_string();
        let object = StoredObject::from_text(&text, &kind).map_err(|error| at(error.to_string()))?;
        let store = self.kinds.entry(kind).or_insert_with(|| KindStore::new(self.budget.clone()));
        store.insert(object).map_err(|_| ClusterError::TooLarge { what: "the inventory".to_owned(), limit: BYTES })
    }

    fn index_namespaces(&mut self) {
        let Ok(kind) = Kind::new("v1", "Namespace") else { return };
        let labelled = self.kinds.get(&kind).map(KindStore::labels).unwrap_or_default();
        self.namespaces = labelled.into_iter().map(|(_, name, labels)| (name, labels)).collect();
    }
}

enum Contents {
    List(Vec<Value>),
    One(Map<String, Value>),
}

/// The items of a `List`, or of a typed one such as `PodList`, whose items leave out what they are.
fn items_of(kind: &Kind, mut object: Map<String, Value>) -> Contents {
    let is_list = kind.kind().ends_with("List") && object.get("items").is_some_and(Value::is_array);
    let Some(Value::Array(mut items)) = is_list.then(|| object.remove("items")).flatten() else {
        return Contents::One(object);
    };
    if let Some(item_kind) = kind.without_list() {
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.entry("apiVersion").or_insert_with(|| item_kind.api_version().into());
            item.entry("kind").or_insert_with(|| item_kind.kind().into());
        }
    }
    Contents::List(items)
}

/// Fills in what the API server would: the namespace `default`, and the name of a namespace as its label.
fn complete(kind: &Kind, object: &mut Map<String, Value>) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let name = metadata.get("name").and_then(Value::as_str).map(str::to_owned);
    if kind.api_version() == "v1" && kind.kind() == "Namespace" {
        let labels = metadata.entry("labels").or_insert_with(|| Value::Object(Map::new()));
        if let (Some(labels), Some(name)) = (labels.as_object_mut(), name) {
            labels.entry("kubernetes.io/metadata.name").or_insert_with(|| name.into());
        }
    } else if built_in(kind.group(), kind.kind()).is_some_and(|(_, is_namespaced)| is_namespaced) {
        // The scope of a kind that is not built in is what the manifest says.
        metadata.entry("namespace").or_insert_with(|| "default".into());
    }
}

fn read(path: &Path) -> Result<String, ClusterError> {
    let failed = |cause: String| ClusterError::InventoryFile { path: path.to_owned(), cause };
    let size = fs::metadata(path).map_err(|e| failed(e.to_string()))?.len();
    if size > FILE_BYTES {
        return Err(failed(format!("{size} bytes are more than {FILE_BYTES}")));
    }
    let bytes = fs::read(path).map_err(|e| failed(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| failed(format!("not UTF-8 at byte {}", e.utf8_error().valid_up_to())))
}

/// Lists the files under a path in the order of their names. Hidden ones are left out: a mounted `ConfigMap` keeps its
/// older versions there.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), ClusterError> {
    let failed = |cause: String| ClusterError::InventoryFile { path: path.to_owned(), cause };
    if !fs::metadata(path).map_err(|e| failed(e.to_string()))?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    if depth == DEPTH {
        return Err(failed(format!("more than {DEPTH} folders inside one another")));
    }
    let mut entries = BTreeMap::new();
    for entry in fs::read_dir(path).map_err(|e| failed(e.to_string()))? {
        let entry = entry.map_err(|e| failed(e.to_string()))?;
        entries.insert(entry.file_name(), entry.path());
    }
    for (name, entry) in entries {
        let hidden = name.to_string_lossy().starts_with('.');
        let manifest = entry.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if !hidden && (manifest || entry.is_dir()) {
            collect(&entry, depth + 1, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
