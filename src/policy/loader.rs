//! Loads policies from files and folders, and loads again only what a change touched.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::bundle::shown_path;

use super::assemble::{Harvest, Outcome};
use super::bundles::Bundles;
use super::catalog::{Catalog, Problem};
use super::code::Inspect;
use super::error::PolicyError;
use super::files::{BuildResult, ManifestFile, ModuleEntry, ModuleFile, Settings, Stamp, are_alike};
use super::folder::{Discovery, FileKind, Found, discover};
use super::graph::policies;
use super::live::{Entries, Live, Refreshed};
use super::module::Given;
use super::packages::Packages;
use super::tarballs::TarballFile;

/// What applies to all policies of a load.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// `--compat jspolicy`: scripts that ask for no permissions have all of them.
    pub compat_jspolicy: bool,
    /// `--parameters FILE`: an object by names of policies, or one for every policy that has a schema.
    pub parameters: Option<Value>,
    /// Every script runs in a realm of its own, also those that need none.
    pub scripts_apart: bool,
}

/// Reads policies; keeps what it read, so that the next load is cheap.
pub struct Loader {
    roots: Vec<(PathBuf, Discovery)>,
    settings: Settings,
    modules: BTreeMap<PathBuf, ModuleFile>,
    entries: BTreeMap<PathBuf, ModuleEntry>,
    manifests: BTreeMap<PathBuf, ManifestFile>,
    tarballs: BTreeMap<PathBuf, TarballFile>,
    bundles: Bundles,
    /// The policies of a cluster, where there is one.
    cluster: Option<Entries>,
    catalog: Arc<Catalog>,
}

impl Loader {
    /// A loader of files, folders and package folders. Nothing is read yet.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>, inspect: Arc<dyn Inspect>, options: LoadOptions) -> Self {
        let LoadOptions { compat_jspolicy, parameters, scripts_apart } = options;
        let (given, packages) = (Given(parameters), Packages::default());
        let settings = Settings { inspect, compat: compat_jspolicy, given, scripts_apart, packages };
        Self {
            roots: paths.into_iter().map(|path| (path, Discovery::default())).collect(),
            settings,
            modules: BTreeMap::new(),
            entries: BTreeMap::new(),
            manifests: BTreeMap::new(),
            tarballs: BTreeMap::new(),
            bundles: Bundles::default(),
            cluster: None,
            catalog: Arc::default(),
        }
    }

    /// Also loads the policies of a cluster. Of two with one name that of a file is served.
    #[must_use]
    pub fn with_cluster(self, live: Live) -> Self {
        Self { cluster: Some(Entries::new(live)), ..self }
    }

    /// The first load. Policies that are wrong are problems of the catalog, not errors.
    ///
    /// # Errors
    /// Where a path is missing, or anything under it cannot be read.
    pub fn load(&mut self) -> Result<Arc<Catalog>, PolicyError> {
        for (path, found) in &mut self.roots {
            *found = discover(path)?;
        }
        self.refresh(&BTreeSet::new());
        // Whoever starts has nothing to serve meanwhile. A cluster does not stand still until a registry answers.
        while self.cluster.is_none() {
            let bundled = self.settings.packages.wait();
            if bundled.is_empty() {
                break;
            }
            self.refresh(&bundled);
        }
        if let Some(error) = self.first_unreadable() {
            return Err(error);
        }
        let catalog = self.publish(Vec::new());
        self.tell();
        Ok(catalog)
    }

    /// Loads again what changed; `touched` names files that certainly did. `None` where nothing did. Whatever cannot be
    /// read any more is served as it last was.
    pub fn reload(&mut self, touched: &BTreeSet<PathBuf>) -> Option<Arc<Catalog>> {
        let mut gone = Vec::new();
        let mut is_changed = false;
        for (path, found) in &mut self.roots {
            match discover(path) {
                Ok(discovery) => {
                    is_changed |= discovery.files != found.files;
                    *found = discovery;
                }
                Err(error) => {
                    let serving_last_good = self.catalog.all().next().is_some();
                    gone.push(Problem {
                        subject: shown_path(path),
                        message: error.to_string(),
                        serving_last_good,
                        source: None,
                        error: Some(Arc::new(error)),
                    });
                }
            }
        }
        let mut touched = touched.clone();
        touched.extend(self.settings.packages.due());
        let refreshed = self.refresh(&touched);
        is_changed |= refreshed.serves;
        is_changed |= gone.iter().any(|problem| !self.catalog.problems.contains(problem));
        let published = is_changed.then(|| self.publish(gone));
        if is_changed || refreshed.tells {
            self.tell();
        }
        published
    }

    /// Reports of the policies of the cluster.
    fn tell(&mut self) {
        if let Some(cluster) = &mut self.cluster {
            cluster.tell(&self.catalog);
        }
    }

    /// From now on `wake` is told of files that a reload should look at: something for them has arrived.
    pub fn wake_with(&self, wake: impl Fn(PathBuf) + Send + Clone + 'static) {
        if let Some(cluster) = &self.cluster {
            let wake = wake.clone();
            // It keeps account of what changed itself.
            cluster.live().wake_with(move || wake(PathBuf::from("objects of the cluster")));
        }
        self.settings.packages.wake_with(wake);
    }

    /// What is served now.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The modules that are policies of their own.
    pub fn modules(&self) -> impl Iterator<Item = &Path> {
        self.entries.keys().map(PathBuf::as_path)
    }

    /// The files that hold policies, as far as they could be read: modules that are policies, and manifests.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<PathBuf> {
        let has_policies = |file: &ManifestFile| {
            file.parsed.as_ref().map_or(true, |manifest| !manifest.policies.is_empty() || !manifest.broken.is_empty())
        };
        let manifests = self.manifests.iter().filter(|(_, file)| has_policies(file)).map(|(path, _)| path.clone());
        self.entries.keys().cloned().chain(manifests).collect()
    }

    /// The folders in which a change may change a policy.
    #[must_use]
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let found = self.roots.iter().flat_map(|(_, discovery)| discovery.folders.iter().cloned());
        let inputs = self.entries.values().flat_map(|entry| entry.inputs.iter());
        found.chain(inputs.filter_map(|(path, _)| path.parent().map(Path::to_owned))).collect()
    }

    fn files(&self, kind: FileKind) -> BTreeMap<PathBuf, Found> {
        let files = self.roots.iter().flat_map(|(_, discovery)| &discovery.files);
        files.filter(|file| file.kind == kind).map(|file| (file.path.clone(), file.clone())).collect()
    }

    /// Brings everything that is kept up to date; whether anything changed.
    fn refresh(&mut self, touched: &BTreeSet<PathBuf>) -> Refreshed {
        let modules = self.refresh_modules(touched);
        let entries = self.refresh_entries(touched);
        let manifests = self.refresh_manifests(touched);
        let tarballs = self.refresh_tarballs(touched);
        let mut refreshed = match &mut self.cluster {
            Some(cluster) => cluster.refresh(&self.settings, touched),
            None => Refreshed::default(),
        };
        refreshed.serves |= modules || entries || manifests || tarballs;
        let Self { manifests: known, tarballs: packed, entries: linked, cluster, .. } = &*self;
        let is_object = |path: &Path| cluster.as_ref().is_some_and(|cluster| cluster.contains(path));
        let is_file = |path: &Path| known.contains_key(path) || packed.contains_key(path) || linked.contains_key(path);
        let is_there = |path: &Path| is_file(path) || is_object(path);
        self.settings.packages.retain(is_there);
        refreshed
    }

    fn refresh_tarballs(&mut self, touched: &BTreeSet<PathBuf>) -> bool {
        let files = self.files(FileKind::Tarball);
        let known = self.tarballs.len();
        self.tarballs.retain(|path, _| files.contains_key(path));
        let mut is_changed = self.tarballs.len() != known;
        for path in files.into_keys() {
            let is_fresh = self.tarballs.get(&path).is_some_and(|known| known.stamp == Stamp::of(&path));
            if !is_fresh || touched.contains(&path) {
                let before = self.tarballs.get(&path);
                let tarball = TarballFile::read(&path, &self.settings, before);
                is_changed |= before.is_none_or(|before| !are_alike(&tarball.built, &before.built));
                self.tarballs.insert(path, tarball);
            }
        }
        is_changed
    }

    fn refresh_modules(&mut self, touched: &BTreeSet<PathBuf>) -> bool {
        let files = self.files(FileKind::Module);
        let known = self.modules.len();
        self.modules.retain(|path, _| files.contains_key(path));
        let mut is_changed = self.modules.len() != known;
        for (path, file) in files {
            let is_fresh = self.modules.get(&path).is_some_and(|known| known.stamp == Stamp::of(&path));
            if !is_fresh || touched.contains(&path) {
                let was_policy = self.entries.contains_key(&path);
                self.modules.insert(path, ModuleFile::scan(&file, was_policy));
                is_changed = true;
            }
        }
        is_changed
    }

    fn refresh_entries(&mut self, touched: &BTreeSet<PathBuf>) -> bool {
        let nodes = self.modules.iter().map(|(path, file)| (path.clone(), file.node.clone())).collect();
        let paths = policies(&nodes);
        let known = self.entries.len();
        self.entries.retain(|path, _| paths.contains(path));
        let mut is_changed = self.entries.len() != known;
        for path in paths {
            let before = self.entries.get(&path);
            if before.is_none_or(|entry| entry.is_stale(touched)) {
                let entry = ModuleEntry::link(&path, &self.settings, before);
                is_changed |= before.is_none_or(|before| !entry.fails_like(before));
                self.entries.insert(path, entry);
            }
        }
        is_changed
    }

    fn refresh_manifests(&mut self, touched: &BTreeSet<PathBuf>) -> bool {
        let files = self.files(FileKind::Manifest);
        let known = self.manifests.len();
        self.manifests.retain(|path, _| files.contains_key(path));
        let mut is_changed = self.manifests.len() != known;
        for path in files.into_keys() {
            let is_fresh = self.manifests.get(&path).is_some_and(|known| !known.is_stale(&path));
            if !is_fresh || touched.contains(&path) {
                let before = self.manifests.get(&path);
                let manifest = ManifestFile::read(&path, &self.settings, &self.catalog, before);
                is_changed |= before.is_none_or(|before| !manifest.is_like(before));
                self.manifests.insert(path, manifest);
            }
        }
        is_changed
    }

    fn first_unreadable(&self) -> Option<PolicyError> {
        let modules = self.modules.values().filter_map(|file| file.unreadable.clone());
        let manifests = self.manifests.values().filter_map(|file| file.parsed.as_ref().err());
        let unreadable = manifests.filter(|error| matches!(***error, PolicyError::Unreadable { .. }));
        modules.chain(unreadable.map(|error| (**error).clone())).next()
    }

    /// Makes a catalog of all that is kept, and logs what is new in it.
    fn publish(&mut self, problems: Vec<Problem>) -> Arc<Catalog> {
        let mut harvest = Harvest { problems, ..Harvest::default() };
        for (path, entry) in &self.entries {
            harvest.add_built(&Arc::new(path.clone()), None, &entry.built);
        }
        for (path, file) in &self.tarballs {
            harvest.add_built(&Arc::new(path.clone()), None, &file.built);
            if let Some(note) = &file.lock_note {
                harvest.note(shown_path(path), note);
            }
        }
        self.note_bystanders(&mut harvest);
        self.bundles.gather(&mut self.manifests, &self.settings, &mut harvest);
        for file in self.manifests.values() {
            harvest_manifest(file, &mut harvest);
        }
        if let Some(cluster) = &self.cluster {
            cluster.harvest(&mut harvest);
        }
        let mut catalog = harvest.into_catalog(&self.catalog);
        if catalog.all().next().is_none() {
            let mut paths: Vec<String> = self.roots.iter().map(|(path, _)| shown_path(path)).collect();
            paths.extend(self.cluster.as_ref().map(|_| "the cluster".to_owned()));
            catalog.add_note(&paths.join(", "), "holds no policy that can be served: every request is allowed");
        }
        log_news(&self.catalog, &catalog);
        self.catalog = Arc::new(catalog);
        Arc::clone(&self.catalog)
    }

    /// Modules that are neither a policy nor a part of one.
    fn note_bystanders(&self, harvest: &mut Harvest) {
        let imported: BTreeSet<&PathBuf> =
            self.modules.values().flat_map(|file| file.node.takes.iter().chain(&file.node.uses)).collect();
        for (path, file) in &self.modules {
            if !file.node.has_default && !self.entries.contains_key(path) && !imported.contains(path) {
                harvest.note(shown_path(path), "is passed over: it has no default export, and no policy imports it");
            }
        }
    }
}

fn harvest_manifest(file: &ManifestFile, harvest: &mut Harvest) {
    let manifest = match &file.parsed {
        Ok(manifest) => manifest,
        Err(error) => return harvest.add(&file.source, Outcome::FileBroken { error: Arc::clone(error) }),
    };
    for note in manifest.notes.iter().chain(&file.lock_note) {
        harvest.note(shown_path(&file.source), note);
    }
    harvest.exceptions.extend(manifest.exceptions.iter().cloned());
    for (policy, error) in &manifest.broken {
        let error = Arc::new(error.clone());
        harvest.add(&file.source, Outcome::Broken { policy: policy.clone(), error });
    }
    for (item, inline) in manifest.policies.iter().zip(&file.inline) {
        let bundled = || file.bundled.get(&item.name).map(|(_, built)| built);
        let built: Option<&BuildResult> = inline.as_ref().or_else(bundled);
        match built {
            Some(built) => harvest.add_built(&file.source, Some(&item.name), built),
            None => harvest.add(&file.source, Outcome::without_code(&item.name)),
        }
    }
}

/// Each problem and note once, when it is new.
fn log_news(before: &Catalog, now: &Catalog) {
    let of_problem = |one: &Problem| (one.subject.clone(), one.message.clone(), one.serving_last_good);
    let known: HashSet<_> = before.problems.iter().map(of_problem).collect();
    for problem in now.problems.iter().filter(|problem| !known.contains(&of_problem(problem))) {
        tracing::error!(serving_last_good = problem.serving_last_good, "{problem}");
    }
    // A thousand policies may have a note each.
    let known: HashSet<(&str, &str)> = before.notes.iter().map(|note| (&*note.subject, &*note.message)).collect();
    for note in now.notes.iter().filter(|note| !known.contains(&(&*note.subject, &*note.message))) {
        tracing::info!("{note}");
    }
    tracing::info!(
        policies = now.all().count(),
        problems = now.problems.len(),
        generation = now.generation,
        "policies loaded"
    );
}

#[cfg(test)]
#[path = "loader_tests.rs"]
mod tests;
