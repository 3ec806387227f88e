//! All policies of a cluster, as the loader keeps them beside its files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::entry::Entry;
use super::object::PolicyObject;
use super::report::{ObjectReport, Standing};
use super::{Changes, Live, Reports, name_of};
use crate::bundle::shown_path;
use crate::policy::assemble::{Harvest, Outcome};
use crate::policy::catalog::{Catalog, Revision};
use crate::policy::files::Settings;
use crate::policy::jspolicy::PolicyType;

/// So many are worth several threads: linking is a matter of the processor.
const WORTH_THREADS: usize = 16;

const THREADS: usize = 4;

/// The policies of a cluster.
pub(in crate::policy) struct Entries {
    live: Live,
    known: BTreeMap<Arc<str>, Entry>,
    told: BTreeMap<Arc<str>, Told>,
}

/// What was told of a policy last. It is told again, without a second look, for as long as its object and what is served
/// under its name stay the same: of a thousand policies one changes at a time.
struct Told {
    served: Option<Arc<Revision>>,
    report: Arc<ObjectReport>,
}

impl Told {
    fn is_of(&self, served: Option<&Arc<Revision>>) -> bool {
        match (&self.served, served) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

/// What a look at the cluster brought.
#[derive(Default)]
pub(in crate::policy) struct Refreshed {
    /// Something else is to be served, or told of.
    pub serves: bool,
    /// Something else is to be reported.
    pub tells: bool,
}

impl Entries {
    pub(in crate::policy) fn new(live: Live) -> Self {
        Self { live, known: BTreeMap::new(), told: BTreeMap::new() }
    }

    pub(in crate::policy) fn live(&self) -> &Live {
        &self.live
    }

    /// Builds again what changed; `touched` names sources of which something has arrived.
    pub(in crate::policy) fn refresh(&mut self, settings: &Settings, touched: &BTreeSet<PathBuf>) -> Refreshed {
        let Changes { changed, bundles_moved } = self.live.take();
        let mut refreshed = Refreshed { serves: false, tells: !changed.is_empty() };
        let mut work: BTreeMap<Arc<str>, (Arc<PolicyObject>, bool)> = BTreeMap::new();
        for change in changed {
            self.told.remove(&change.name);
            match change.object {
                Some(object) => drop(work.insert(change.name, (object, false))),
                None => refreshed.serves |= self.known.remove(&change.name).is_some(),
            }
        }
        let touched: BTreeSet<&str> = touched.iter().filter_map(|path| name_of(path)).collect();
        let now = Instant::now();
        for (name, entry) in &self.known {
            let is_due = entry.retry.is_some_and(|(due, _)| due <= now);
            let is_touched = touched.contains(&**name);
            if is_touched || is_due || bundles_moved && entry.is_by_hash() {
                work.entry(Arc::clone(name)).or_insert_with(|| (Arc::clone(&entry.object), is_touched));
            }
        }
        let work: Vec<(Arc<PolicyObject>, bool)> = work.into_values().collect();
        for entry in self.build(&work, settings) {
            let before = self.known.get(&entry.object.name);
            refreshed.serves |= before.is_none_or(|before| !entry.serves_like(before));
            refreshed.tells = true;
            self.told.remove(&entry.object.name);
            self.known.insert(Arc::clone(&entry.object.name), entry);
        }
        refreshed
    }

    fn build(&self, work: &[(Arc<PolicyObject>, bool)], settings: &Settings) -> Vec<Entry> {
        let one = |(object, is_touched): &(Arc<PolicyObject>, bool)| {
            Entry::build(object, &self.live, settings, self.known.get(&object.name), *is_touched)
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        if work.len() < WORTH_THREADS || threads == 1 {
            return work.iter().map(one).collect();
        }
        let share = work.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let shares =
                work.chunks(share).map(|share| (share, scope.spawn(|| share.iter().map(one).collect::<Vec<_>>())));
            let running: Vec<_> = shares.collect();
            // What a thread could not finish is done here: nothing may be left out.
            running
                .into_iter()
                .flat_map(|(share, thread)| thread.join().unwrap_or_else(|_| share.iter().map(one).collect()))
                .collect()
        })
    }

    pub(in crate::policy) fn contains(&self, source: &Path) -> bool {
        name_of(source).is_some_and(|name| self.known.contains_key(name))
    }

    pub(in crate::policy) fn harvest(&self, harvest: &mut Harvest) {
        for (name, entry) in &self.known {
            match &entry.built {
                Ok(_) => harvest.add_built(&entry.source, Some(name), &entry.built),
                Err(error) => {
                    let (policy, error) = (name.to_string(), Arc::clone(error));
                    harvest.add(&entry.source, Outcome::Broken { policy, error });
                    if let Some(fallback) = &entry.fallback {
                        harvest.fallbacks.insert(name.to_string(), Arc::clone(fallback));
                    }
                }
            }
        }
    }

    /// Tells whoever reports what became of each, now that this is served.
    pub(in crate::policy) fn tell(&mut self, catalog: &Catalog) {
        let mut objects = BTreeMap::new();
        for (name, entry) in &self.known {
            let served = catalog.find(name);
            let known = self.told.get(name).filter(|told| told.is_of(served));
            let report = known.map_or_else(|| Arc::new(report(entry, served)), |told| Arc::clone(&told.report));
            if known.is_none() {
                let told = Told { served: served.cloned(), report: Arc::clone(&report) };
                self.told.insert(Arc::clone(name), told);
            }
            objects.insert(Arc::clone(name), report);
        }
        self.live.tell(Reports { generation: catalog.generation, objects });
    }
}

fn report(entry: &Entry, served: Option<&Arc<Revision>>) -> ObjectReport {
    let object = &entry.object;
    let own = served.filter(|revision| revision.source == entry.source);
    let last_good = own.is_some();
    let standing = match (&entry.built, served) {
        (Err(error), _) if error.is_pending() => Standing::Pending { last_good },
        (Err(error), _) => Standing::Broken { error: Arc::clone(error), last_good },
        (Ok(_), Some(_)) if last_good => Standing::Serving,
        (Ok(_), Some(other)) => Standing::Shadowed { by: shown_path(&other.source) },
        (Ok(_), None) => Standing::Idle,
    };
    let notes = entry.built.iter().flat_map(|built| &built.notes);
    ObjectReport {
        name: Arc::clone(&object.name),
        home: object.home.clone(),
        uid: object.uid.clone(),
        generation: object.generation,
        good: entry.good.clone(),
        standing,
        kind: own.filter(|revision| revision.spec.reconciles).map_or_else(|| entry.kind(), |_| PolicyType::Controller),
        source: object.source_hash(),
        code: own.map(|revision| Arc::clone(&revision.code)),
        packages: entry.packages.clone(),
        bundle: entry.bundle,
        notes: notes.map(|(_, text)| text.clone()).collect(),
    }
}
