//! Policies that are objects of a cluster: whoever watches it puts them in here as they come and go, and the loader
//! takes from here what changed, one object at a time, beside its files.
//!
//! ```text
//! object      a JsPolicy, a `JsPolicyBundle`, as far as they matter here
//! entry       one of them made into a policy, or why it cannot be
//! parameters  those from a `ConfigMap`
//! report      what is told of it in its status
//! ```

mod entries;
mod entry;
mod object;
mod parameters;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub(super) use entries::{Entries, Refreshed};
pub use object::{
    BundleObject, CONTENT_ANNOTATION, PACKAGES_ANNOTATION, PolicyObject, SOURCE_ANNOTATION, SPEC_ANNOTATION,
};
pub use parameters::ConfigMapRef;
pub use report::{BundleState, ObjectReport, Reports, Standing};

/// Objects of each kind. etcd itself is not meant for more of this size.
pub const MAX_OBJECTS: usize = 10_000;

/// Bytes of all specs and bundles together.
pub const MAX_BYTES: usize = 256 << 20;

/// What the source of a policy from a cluster is called where others have a path. It is relative, and so comes after all
/// files, whose paths are not: of two policies with one name that of a file is served.
const SOURCE: &str = "JsPolicy ";

/// The data of a `ConfigMap`.
pub type ConfigMapData = BTreeMap<String, String>;

/// The objects of a cluster, as they were last seen. Clones share them.
#[derive(Clone, Default)]
pub struct Live(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Mutex<Option<Box<dyn Fn() + Send>>>,
    reports: watch::Sender<Arc<Reports>>,
    /// Counts what was put in.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    policies: BTreeMap<Arc<str>, Arc<PolicyObject>>,
    bundles: BTreeMap<Arc<str>, Arc<BundleObject>>,
    /// `None`: it is known that there is none.
    config_maps: BTreeMap<ConfigMapRef, Option<Arc<ConfigMapData>>>,
    /// Those of which something changed since the loader looked.
    dirty: BTreeSet<Arc<str>>,
    /// Whether a policy that refers to a bundle by its hash may find another one.
    bundles_moved: bool,
    bytes: usize,
}

/// Too many objects, or too large ones: those that were there before stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cluster holds more than {MAX_OBJECTS} policies, or more than {MAX_BYTES} bytes of them")]
pub struct Full;

/// Nobody knows yet whether it is there.
struct NotSeen;

/// What the loader has to look at again, and all that it may need for it.
pub(super) struct Changes {
    pub changed: Vec<Change>,
    pub bundles_moved: bool,
}

pub(super) struct Change {
    pub name: Arc<str>,
    /// `None`: it is gone.
    pub object: Option<Arc<PolicyObject>>,
}

impl Live {
    /// A policy was made, or is not what it was.
    ///
    /// # Errors
    /// Where there is no room for it.
    pub fn put(&self, object: PolicyObject) -> Result<(), Full> {
        let is_other = self.state().put(object)?;
        self.wake_if(is_other);
        Ok(())
    }

    /// A policy is gone.
    pub fn remove(&self, name: &str) {
        let was_there = self.state().remove(name);
        self.wake_if(was_there);
    }

    /// These are all policies there are of the host.
    ///
    /// # Errors
    /// Where there is no room for all of them: those that were there are kept, others are added as they fit.
    pub fn replace(&self, objects: Vec<PolicyObject>) -> Result<(), Full> {
        self.replace_those(objects, |object| object.home.is_none())
    }

    /// These are all policies there are of tenants.
    ///
    /// # Errors
    /// As [`replace`](Self::replace).
    pub fn replace_tenants(&self, objects: Vec<PolicyObject>) -> Result<(), Full> {
        self.replace_those(objects, |object| object.home.is_some())
    }

    fn replace_those(&self, objects: Vec<PolicyObject>, is_one: impl Fn(&PolicyObject) -> bool) -> Result<(), Full> {
        let mut state = self.state();
        let kept: BTreeSet<Arc<str>> = objects.iter().map(|object| Arc::clone(&object.name)).collect();
        let known = state.policies.iter().filter(|(name, object)| is_one(object) && !kept.contains(*name));
        let gone: Vec<Arc<str>> = known.map(|(name, _)| Arc::clone(name)).collect();
        let mut is_other = !gone.is_empty();
        for name in gone {
            state.remove(&name);
        }
        let mut result = Ok(());
        for object in objects {
            match state.put(object) {
                Ok(put) => is_other |= put,
                Err(full) => result = Err(full),
            }
        }
        drop(state);
        self.wake_if(is_other);
        result
    }

    /// A bundle was made, or is not what it was.
    ///
    /// # Errors
    /// Where there is no room for it.
    pub fn put_bundle(&self, bundle: BundleObject) -> Result<(), Full> {
        let is_other = self.state().put_bundle(bundle)?;
        self.wake_if(is_other);
        Ok(())
    }

    pub fn remove_bundle(&self, name: &str) {
        let was_there = self.state().remove_bundle(name);
        self.wake_if(was_there);
    }

    /// # Errors
    /// Where there is no room for all of them.
    pub fn replace_bundles(&self, bundles: Vec<BundleObject>) -> Result<(), Full> {
        let mut state = self.state();
        let kept: BTreeSet<Arc<str>> = bundles.iter().map(|bundle| Arc::clone(&bundle.name)).collect();
        let gone: Vec<Arc<str>> = state.bundles.keys().filter(|name| !kept.contains(*name)).cloned().collect();
        let mut is_other = !gone.is_empty();
        for name in gone {
            state.remove_bundle(&name);
        }
        let mut result = Ok(());
        for bundle in bundles {
            match state.put_bundle(bundle) {
                Ok(put) => is_other |= put,
                Err(full) => result = Err(full),
            }
        }
        drop(state);
        self.wake_if(is_other);
        result
    }

    /// What a `ConfigMap` holds now; `None` where there is none.
    pub fn put_config_map(&self, of: &ConfigMapRef, data: Option<ConfigMapData>) {
        let mut state = self.state();
        let data = data.map(Arc::new);
        let is_new = state.config_maps.get(of) != Some(&data);
        state.config_maps.insert(of.clone(), data);
        if is_new {
            let waiting = state.policies.values().filter(|object| object.config_map.as_ref() == Some(of));
            let waiting: Vec<Arc<str>> = waiting.map(|object| Arc::clone(&object.name)).collect();
            state.dirty.extend(waiting);
        }
        drop(state);
        self.wake_if(is_new);
    }

    /// Nobody watches this `ConfigMap` any more.
    pub fn forget_config_map(&self, of: &ConfigMapRef) {
        self.state().config_maps.remove(of);
    }

    /// The `ConfigMap`s that policies take parameters from.
    #[must_use]
    pub fn config_maps(&self) -> BTreeSet<ConfigMapRef> {
        self.state().policies.values().filter_map(|object| object.config_map.clone()).collect()
    }

    #[must_use]
    pub fn policy(&self, name: &str) -> Option<Arc<PolicyObject>> {
        self.state().policies.get(name).cloned()
    }

    #[must_use]
    pub fn policies(&self) -> Vec<Arc<PolicyObject>> {
        self.state().policies.values().cloned().collect()
    }

    #[must_use]
    pub fn bundle(&self, name: &str) -> Option<Arc<BundleObject>> {
        self.state().bundles.get(name).cloned()
    }

    /// All `ConfigMap`s that are there.
    #[must_use]
    pub fn known_config_maps(&self) -> Vec<(ConfigMapRef, Arc<ConfigMapData>)> {
        let state = self.state();
        state.config_maps.iter().filter_map(|(of, data)| Some((of.clone(), Arc::clone(data.as_ref()?)))).collect()
    }

    /// What became of each policy, whenever that changes.
    #[must_use]
    pub fn reports(&self) -> watch::Receiver<Arc<Reports>> {
        self.0.reports.subscribe()
    }

    /// Told whenever something is put in.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn tell(&self, reports: Reports) {
        self.0.reports.send_replace(Arc::new(reports));
    }

    pub(super) fn wake_with(&self, wake: impl Fn() + Send + 'static) {
        *self.0.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(wake));
    }

    pub(super) fn take(&self) -> Changes {
        let mut state = self.state();
        let dirty = std::mem::take(&mut state.dirty);
        let changed = dirty.into_iter().map(|name| Change { object: state.policies.get(&name).cloned(), name });
        Changes { changed: changed.collect(), bundles_moved: std::mem::take(&mut state.bundles_moved) }
    }

    /// `None` where it is known that there is none.
    fn config_map(&self, of: &ConfigMapRef) -> Result<Option<Arc<ConfigMapData>>, NotSeen> {
        self.state().config_maps.get(of).cloned().ok_or(NotSeen)
    }

    /// The bundle of that content.
    fn bundle_by_hash(&self, hash: &str) -> Option<Arc<BundleObject>> {
        let bundles: Vec<Arc<BundleObject>> = self.state().bundles.values().cloned().collect();
        bundles.into_iter().find(|bundle| bundle.has_content(hash))
    }

    /// Most of what a watch brings is what Bylaw itself has written: a status changes no policy.
    fn wake_if(&self, is_other: bool) {
        if !is_other {
            return;
        }
        self.0.changes.send_modify(|count| *count += 1);
        if let Some(wake) = &*self.0.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether it is not what it was.
    fn put(&mut self, object: PolicyObject) -> Result<bool, Full> {
        let before = self.policies.get(&object.name);
        if before.is_some_and(|before| **before == object) {
            return Ok(false);
        }
        self.make_room(self.policies.len(), before.map(|before| before.bytes), object.bytes)?;
        self.dirty.insert(Arc::clone(&object.name));
        self.policies.insert(Arc::clone(&object.name), Arc::new(object));
        Ok(true)
    }

    /// Whether it was there.
    fn remove(&mut self, name: &str) -> bool {
        let Some(object) = self.policies.remove(name) else { return false };
        self.bytes = self.bytes.saturating_sub(object.bytes);
        self.dirty.insert(Arc::clone(&object.name));
        true
    }

    fn put_bundle(&mut self, bundle: BundleObject) -> Result<bool, Full> {
        let before = self.bundles.get(&bundle.name);
        if before.is_some_and(|before| **before == bundle) {
            return Ok(false);
        }
        self.make_room(self.bundles.len(), before.map(|before| before.bytes()), bundle.bytes())?;
        self.dirty.insert(Arc::clone(&bundle.name));
        self.bundles_moved = true;
        self.bundles.insert(Arc::clone(&bundle.name), Arc::new(bundle));
        Ok(true)
    }

    fn remove_bundle(&mut self, name: &str) -> bool {
        let Some(bundle) = self.bundles.remove(name) else { return false };
        self.bytes = self.bytes.saturating_sub(bundle.bytes());
        self.dirty.insert(Arc::clone(&bundle.name));
        self.bundles_moved = true;
        true
    }

    fn make_room(&mut self, count: usize, before: Option<usize>, bytes: usize) -> Result<(), Full> {
        let total = self.bytes.saturating_sub(before.unwrap_or_default()).saturating_add(bytes);
        if before.is_none() && count >= MAX_OBJECTS || total > MAX_BYTES {
            return Err(Full);
        }
        self.bytes = total;
        Ok(())
    }
}

/// Where a policy comes from, in place of the path of a file.
fn source_of(name: &str) -> PathBuf {
    PathBuf::from(format!("{SOURCE}{name}"))
}

/// The name of the policy that such a source is of.
pub(super) fn name_of(source: &Path) -> Option<&str> {
    source.to_str()?.strip_prefix(SOURCE)
}
