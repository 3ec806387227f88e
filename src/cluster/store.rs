//! Objects of one kind in memory, found by namespace, name and labels.
//!
//! Readers are policies in the middle of a review, so a lock is held only to copy pointers; the text they point to is
//! joined outside of it and never serialised again.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::object::{Labels, StoredObject};

/// Bytes that several stores share.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit }
    }

    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Moves a share of it from `before` to `after` bytes, or leaves it as it was and answers false.
    fn resize(&self, before: usize, after: usize) -> bool {
        let resized = |used: usize| {
            let used = used.saturating_sub(before).saturating_add(after);
            (used <= self.limit || after <= before).then_some(used)
        };
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, resized).is_ok()
    }
}

/// The shared budget has no room for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// All objects of one kind.
///
/// An object without a namespace is cluster-scoped, and so seen from every namespace: `get` and `list` with a
/// namespace find it too, as jsPolicy's did.
#[derive(Debug)]
pub struct KindStore {
    objects: RwLock<Objects>,
    budget: Arc<Budget>,
}

#[derive(Debug, Default)]
struct Objects {
    by_namespace: BTreeMap<Arc<str>, BTreeMap<Arc<str>, StoredObject>>,
    count: usize,
    bytes: usize,
    /// The highest revision the watch has brought: what is older was already seen, and may have been deleted since.
    watched: u64,
}

impl KindStore {
    #[must_use]
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { objects: RwLock::default(), budget }
    }

    /// The text of one object.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<str>> {
        let objects = self.read();
        objects.find(namespace, name).or_else(|| objects.find("", name)).map(|object| object.text.clone())
    }

    /// The texts of all objects that `fits` their labels, in the order of namespace and name; `None` is every namespace.
    pub fn list(&self, namespace: Option<&str>, fits: &dyn Fn(&Labels) -> bool) -> Vec<Arc<str>> {
        let objects = self.read();
        let inside = |of: &str| namespace.is_none_or(|wanted| of.is_empty() || of == wanted);
        let of_namespace =
            objects.by_namespace.iter().filter(|(of, _)| inside(of)).flat_map(|(_, names)| names.values());
        of_namespace.filter(|object| fits(&object.labels)).map(|object| object.text.clone()).collect()
    }

    /// One object, in this namespace and in no other.
    pub fn find(&self, namespace: &str, name: &str) -> Option<StoredObject> {
        self.read().find(namespace, name).cloned()
    }

    /// Every object.
    pub fn all(&self) -> Vec<StoredObject> {
        self.read().by_namespace.values().flat_map(BTreeMap::values).cloned().collect()
    }

    /// What a fresh list would change: the objects that are not here as they are in it, and those that are not in it.
    pub fn difference(&self, fresh: &[StoredObject]) -> (Vec<StoredObject>, Vec<StoredObject>) {
        let objects = self.read();
        let is_known = |object: &&StoredObject| {
            objects.find(&object.namespace, &object.name).is_some_and(|known| known.revision == object.revision)
        };
        let changed = fresh.iter().filter(|object| !is_known(object)).cloned().collect();
        let listed: HashSet<(&str, &str)> = fresh.iter().map(|object| (&*object.namespace, &*object.name)).collect();
        let all = objects.by_namespace.values().flat_map(BTreeMap::values);
        let gone = all.filter(|object| !listed.contains(&(&*object.namespace, &*object.name))).cloned().collect();
        (changed, gone)
    }

    pub fn len(&self) -> usize {
        self.read().count
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether any of the objects lives in a namespace.
    pub fn is_namespaced(&self) -> bool {
        self.read().by_namespace.keys().any(|namespace| !namespace.is_empty())
    }

    /// Text and labels, as [`StoredObject::bytes`] counts them.
    pub fn bytes(&self) -> usize {
        self.read().bytes
    }

    /// Every object's namespace, name and labels.
    pub fn labels(&self) -> Vec<(Arc<str>, Arc<str>, Labels)> {
        let objects = self.read();
        let all = objects.by_namespace.values().flat_map(BTreeMap::values);
        all.map(|object| (object.namespace.clone(), object.name.clone(), object.labels.clone())).collect()
    }

    /// Takes what a watch, or a file, brought.
    pub fn insert(&self, object: StoredObject) -> Result<(), Full> {
        let mut objects = self.write();
        objects.watched = objects.watched.max(object.revision);
        self.put(&mut objects, object)
    }

    /// Takes what a policy's own write brought back, so that it can read what it wrote; not if the watch is past it
    /// already, for then the object may be gone and nothing would ever remove it again.
    pub fn insert_written(&self, object: StoredObject) -> Result<(), Full> {
        let mut objects = self.write();
        if object.revision <= objects.watched {
            return Ok(());
        }
        self.put(&mut objects, object)
    }

    pub fn remove(&self, namespace: &str, name: &str, revision: u64) {
        let mut objects = self.write();
        objects.watched = objects.watched.max(revision);
        if let Some(gone) = objects.take(namespace, name) {
            self.budget.resize(gone.bytes(), 0);
        }
    }

    /// Puts a fresh list in the place of everything.
    pub fn replace(&self, fresh: Vec<StoredObject>) -> Result<(), Full> {
        let mut next = Objects::default();
        for object in fresh {
            next.watched = next.watched.max(object.revision);
            next.add(object);
        }
        let mut objects = self.write();
        if !self.budget.resize(objects.bytes, next.bytes) {
            return Err(Full);
        }
        *objects = next;
        Ok(())
    }

    /// Whether so many bytes could take the place of what is here.
    pub fn fits(&self, bytes: usize) -> bool {
        self.budget.used().saturating_sub(self.bytes()).saturating_add(bytes) <= self.budget.limit
    }

    pub fn clear(&self) {
        let mut objects = self.write();
        self.budget.resize(objects.bytes, 0);
        *objects = Objects { watched: objects.watched, ..Objects::default() };
    }

    fn put(&self, objects: &mut Objects, object: StoredObject) -> Result<(), Full> {
        let before = objects.find(&object.namespace, &object.name).map_or(0, StoredObject::bytes);
        if !self.budget.resize(before, object.bytes()) {
            return Err(Full);
        }
        objects.add(object);
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Objects> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Objects> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KindStore {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Objects {
    fn find(&self, namespace: &str, name: &str) -> Option<&StoredObject> {
        self.by_namespace.get(namespace)?.get(name)
    }

    fn add(&mut self, object: StoredObject) {
        self.bytes += object.bytes();
        self.count += 1;
        let names = self.by_namespace.entry(object.namespace.clone()).or_default();
        if let Some(old) = names.insert(object.name.clone(), object) {
            self.bytes -= old.bytes();
            self.count -= 1;
        }
    }

    fn take(&mut self, namespace: &str, name: &str) -> Option<StoredObject> {
        let names = self.by_namespace.get_mut(namespace)?;
        let gone = names.remove(name)?;
        if names.is_empty() {
            self.by_namespace.remove(namespace);
        }
        self.bytes -= gone.bytes();
        self.count -= 1;
        Some(gone)
    }
}

/// JSON texts as one JSON array.
#[must_use]
pub fn join(texts: &[Arc<str>]) -> String {
    let length = texts.iter().map(|text| text.len() + 1).sum::<usize>() + 2;
    let mut array = String::with_capacity(length);
    array.push('[');
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            array.push(',');
        }
        array.push_str(text);
    }
    array.push(']');
    array
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::cluster::Kind;

    fn object(namespace: &str, name: &str, revision: u64, app: &str) -> StoredObject {
        let text = format!(
            r#"{{"metadata":{{"namespace":"{namespace}","name":"{name}","resourceVersion":"{revision}","labels":{{"app":"{app}"}}}}}}"#
        );
        StoredObject::from_text(&text, &Kind::parse("v1/ConfigMap").unwrap()).unwrap()
    }

    fn store(limit: usize) -> (KindStore, Arc<Budget>) {
        let budget = Arc::new(Budget::new(limit));
        (KindStore::new(budget.clone()), budget)
    }

    fn any(_: &Labels) -> bool {
        true
    }

    #[test]
    fn lists_by_namespace_and_labels_in_a_fixed_order() {
        let (store, _) = store(1 << 20);
        for (ns, name, app) in [("b", "2", "web"), ("a", "9", "web"), ("b", "1", "db")] {
            store.insert(object(ns, name, 1, app)).unwrap();
        }
        assert_eq!(store.list(None, &any).len(), 3);
        let array = join(&store.list(Some("b"), &any));
        let names: Vec<String> = serde_json::from_str::<Vec<serde_json::Value>>(&array)
            .unwrap()
            .iter()
            .map(|o| o["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["1", "2"]);
        assert_eq!(store.list(None, &|l| l.get("app").is_some_and(|a| a == "web")).len(), 2);
        assert_eq!(join(&store.list(Some("c"), &any)), "[]");
    }

    #[test]
    fn sees_cluster_scoped_objects_from_every_namespace() {
        let (store, _) = store(1 << 20);
        store.insert(object("", "node", 1, "x")).unwrap();
        assert!(store.get("anywhere", "node").is_some());
        assert_eq!(store.list(Some("anywhere"), &any).len(), 1);
    }

    #[test]
    fn refuses_what_the_budget_has_no_room_for_and_gives_room_back() {
        let one = object("a", "1", 1, "x").bytes();
        let (first, budget) = store(one * 2);
        let second = KindStore::new(budget.clone());
        first.insert(object("a", "1", 1, "x")).unwrap();
        second.insert(object("a", "1", 1, "x")).unwrap();
        assert_eq!(first.insert(object("a", "2", 2, "x")), Err(Full));
        assert_eq!(first.len(), 1);
        drop(second);
        first.insert(object("a", "2", 2, "x")).unwrap();
        first.remove("a", "1", 3);
        assert_eq!((budget.used(), first.bytes()), (one, one));
    }

    #[test]
    fn a_write_is_read_back_at_once() {
        let (store, _) = store(1 << 20);
        store.insert_written(object("a", "1", 7, "x")).unwrap();
        assert!(store.get("a", "1").is_some());
    }

    #[test]
    fn a_write_the_watch_has_passed_does_not_bring_a_deleted_object_back() {
        let (store, _) = store(1 << 20);
        store.insert(object("a", "1", 7, "x")).unwrap();
        store.remove("a", "1", 8);
        store.insert_written(object("a", "1", 7, "x")).unwrap();
        assert_eq!(store.get("a", "1"), None);
    }

    #[test]
    fn a_fresh_list_differs_by_what_is_new_or_other_and_by_what_is_gone() {
        let (store, _) = store(1 << 20);
        for (name, revision) in [("same", 1), ("other", 1), ("gone", 1)] {
            store.insert(object("ns", name, revision, "x")).unwrap();
        }
        let fresh = [("same", 1), ("other", 2), ("new", 3)].map(|(name, revision)| object("ns", name, revision, "x"));
        let (changed, gone) = store.difference(&fresh);
        let names = |objects: &[StoredObject]| objects.iter().map(|one| one.name.to_string()).collect::<Vec<_>>();
        assert_eq!((names(&changed), names(&gone)), (vec!["other".into(), "new".into()], vec!["gone".into()]));
        assert_eq!(store.find("ns", "same").map(|one| one.revision), Some(1));
        assert!(store.find("", "same").is_none() && store.all().len() == 3);
    }

    proptest! {
        #[test]
        fn keeps_what_a_plain_map_would_and_counts_it_right(steps in prop::collection::vec((0..4u8, 0..3u8, 0..3u8, 0..9u64), 0..60)) {
            let (store, budget) = store(1 << 20);
            let mut model: BTreeMap<(String, String), Arc<str>> = BTreeMap::new();
            for (step, ns, name, revision) in steps {
                let (ns, name) = (format!("n{ns}"), format!("o{name}"));
                let object = object(&ns, &name, revision, "x");
                match step {
                    0 => {
                        store.remove(&ns, &name, revision);
                        model.remove(&(ns, name));
                    }
                    1 => {
                        store.replace(vec![object.clone()]).unwrap();
                        model = BTreeMap::from([((ns, name), object.text)]);
                    }
                    _ => {
                        store.insert(object.clone()).unwrap();
                        model.insert((ns, name), object.text);
                    }
                }
                prop_assert_eq!(store.len(), model.len());
                prop_assert_eq!(store.list(None, &any), model.values().cloned().collect::<Vec<_>>());
                prop_assert_eq!(store.bytes(), budget.used());
            }
        }
    }
}
