//! What the loader keeps of each file, and when it is out of date.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::bundle::artifact::is_bundle;
use crate::bundle::npm::locked_by;
use crate::bundle::{BundleError, DefaultUse, Target, read, resolve, scan, shown_path};

use super::catalog::Catalog;
use super::code::{Code, Inspect};
use super::error::PolicyError;
use super::folder::Found;
use super::graph::Node;
use super::manifest::{Manifest, PolicyItem};
use super::module::{Built, Given, declare_module, link_module};
use super::objects::{Context, asked_by, build_inline, tarball_of};
use super::packages::{Orders, Packages};

/// What tells one state of a file from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// Tells a file that was renamed into place, as editors and `ConfigMap` volumes do.
    inode: u64,
}

impl Stamp {
    /// `None` where there is no such file, or it cannot be looked at.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), inode: metadata.ino() })
    }
}

/// What applies to every file of a loader.
pub(super) struct Settings {
    pub inspect: Arc<dyn Inspect>,
    pub compat: bool,
    pub given: Given,
    pub scripts_apart: bool,
    pub packages: Packages,
}

/// What a file or a policy came to; errors are kept, so that an unchanged file is not tried again.
pub(super) type BuildResult = Result<Built, Arc<PolicyError>>;

/// Whether both serve the very same revisions, or fail for the same reason.
pub(super) fn are_alike(one: &BuildResult, other: &BuildResult) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            one.revisions.len() == other.revisions.len()
                && one.revisions.iter().zip(&other.revisions).all(|(one, other)| Arc::ptr_eq(one, other))
        }
        (Err(one), Err(other)) => one.to_string() == other.to_string(),
        _ => false,
    }
}

/// A module file: whether it is a policy is seen from how the modules import each other.
pub(super) struct ModuleFile {
    pub stamp: Option<Stamp>,
    pub node: Node,
    pub unreadable: Option<PolicyError>,
}

impl ModuleFile {
    pub(super) fn scan(file: &Found, was_policy: bool) -> Self {
        let stamp = Stamp::of(&file.path);
        let mut node = Node { expected: file.explicit || was_policy, ..Node::default() };
        if is_bundle(&file.path) {
            node.has_default = true;
            return Self { stamp, node, unreadable: None };
        }
        let shown = shown_path(&file.path);
        let scanned = read(&file.path, &shown).and_then(|text| scan(&shown, &file.path, &text));
        match scanned {
            Ok(scanned) => {
                node.has_default = scanned.has_default_export;
                for import in scanned.imports {
                    let target = resolve(&import.specifier, file.path.parent(), Path::is_file);
                    if let Ok(Target::File(target)) = target {
                        let edges =
                            if import.default_use == DefaultUse::Taken { &mut node.takes } else { &mut node.uses };
                        edges.insert(target);
                    }
                }
                Self { stamp, node, unreadable: None }
            }
            Err(error) => {
                node.broken = true;
                Self { stamp, node, unreadable: unreadable(&error) }
            }
        }
    }
}

/// A bundler's error as one of a file that cannot be read, if that is what it is.
fn unreadable(error: &BundleError) -> Option<PolicyError> {
    let BundleError::Unreadable { file, reason } = error else { return None };
    Some(PolicyError::Unreadable { path: file.clone(), reason: reason.clone() })
}

/// A module that is a policy of its own, as it was last linked.
pub(super) struct ModuleEntry {
    /// The files it is made of; after a failure those of the last success.
    pub inputs: Vec<(PathBuf, Option<Stamp>)>,
    code: Option<Arc<Code>>,
    pub built: BuildResult,
    /// Since when its packages are being fetched.
    ordered: Option<SystemTime>,
}

impl ModuleEntry {
    pub(super) fn link(path: &Path, settings: &Settings, before: Option<&Self>) -> Self {
        // Stamps are taken before reading: what changes meanwhile is read again.
        let known: Vec<PathBuf> = match before {
            Some(entry) => entry.inputs.iter().map(|(path, _)| path.clone()).collect(),
            None => vec![path.to_owned()],
        };
        let stamps: BTreeMap<PathBuf, Option<Stamp>> =
            known.into_iter().map(|path| (path.clone(), Stamp::of(&path))).collect();
        let is_new = before.is_none_or(|before| before.inputs.iter().any(|(path, stamp)| *stamp != Stamp::of(path)));
        let orders = Orders::new(&settings.packages, path, is_new);
        let linked = link_module(path, &orders);
        let ordered = before.and_then(|before| before.ordered);
        let linked = match linked {
            Ok(linked) => linked,
            Err(error) => {
                let mut inputs: Vec<_> = stamps.into_iter().collect();
                let mut since = None;
                if orders.is_used() {
                    // Whoever mends its lock is not to wait for the next try.
                    inputs.extend(locked_by(path).into_iter().map(|path| (path.clone(), Stamp::of(&path))));
                    let goes_on = matches!(error, PolicyError::Pending);
                    since = ordered.filter(|_| goes_on).or_else(|| Some(SystemTime::now()));
                }
                orders.close(None);
                return Self { inputs, code: None, built: Err(Arc::new(error)), ordered: since };
            }
        };
        orders.close(None);
        // What was changed while packages were fetched may have been read before: its stamp must not be the one now.
        let was_read = |stamp: &Stamp| ordered.is_none_or(|ordered| stamp.modified.is_some_and(|at| at < ordered));
        let stamp = |path: &PathBuf| stamps.get(path).copied().unwrap_or_else(|| Stamp::of(path)).filter(was_read);
        let inputs = linked.inputs.iter().map(|path| (path.clone(), stamp(path))).collect();
        // A change that changes nothing must not cost the engine what it has compiled.
        if let Some(Self { code: Some(code), built: Ok(built), .. }) = before
            && code.hash == linked.code.hash
            && code.source_map == linked.code.source_map
        {
            return Self { inputs, code: Some(Arc::clone(code)), built: Ok(built.clone()), ordered: None };
        }
        let source = Arc::new(path.to_owned());
        let built = declare_module(&linked, &source, &*settings.inspect, &settings.given).map_err(Arc::new);
        Self { inputs, code: Some(linked.code), built, ordered: None }
    }

    /// Whether a file it is made of changed since. A failure is always worth another try: it may have waited for a file
    /// that did not exist, or for an engine that was busy.
    pub(super) fn is_stale(&self, touched: &BTreeSet<PathBuf>) -> bool {
        let is_changed =
            |(input, stamp): &(PathBuf, Option<Stamp>)| touched.contains(input) || Stamp::of(input) != *stamp;
        self.built.is_err() || self.inputs.iter().any(is_changed)
    }

    /// Whether both failed for the same reason.
    pub(super) fn fails_like(&self, other: &Self) -> bool {
        let reason = |entry: &Self| entry.built.as_ref().err().map(ToString::to_string);
        reason(self).is_some_and(|own| reason(other) == Some(own))
    }
}

/// A YAML or JSON file.
pub(super) struct ManifestFile {
    stamp: Option<Stamp>,
    pub source: Arc<PathBuf>,
    pub text: String,
    pub parsed: Result<Manifest, Arc<PolicyError>>,
    /// One for each policy of the manifest; `None` for those whose code is in a bundle.
    pub inline: Vec<Option<BuildResult>>,
    /// Those whose code is in a bundle, by name, with that code.
    pub bundled: BTreeMap<String, (Option<Arc<Code>>, BuildResult)>,
    /// Tarballs that its policies are in.
    tarballs: BTreeMap<PathBuf, Option<Stamp>>,
    /// Why the versions of its packages could not be kept beside it.
    pub lock_note: Option<String>,
}

impl ManifestFile {
    pub(super) fn read(path: &Path, settings: &Settings, serving: &Catalog, before: Option<&Self>) -> Self {
        let shown = shown_path(path);
        let mut file = Self {
            stamp: Stamp::of(path),
            source: Arc::new(path.to_owned()),
            text: String::new(),
            parsed: Ok(Manifest::default()),
            inline: Vec::new(),
            bundled: BTreeMap::new(),
            tarballs: BTreeMap::new(),
            lock_note: None,
        };
        match read(path, &shown) {
            Ok(text) => file.text = text,
            Err(error) => {
                file.parsed = Err(Arc::new(unreadable(&error).unwrap_or(PolicyError::Bundle(error))));
                return file;
            }
        }
        // Editors and copying tools truncate a file before they write it.
        let was_serving = serving.all().any(|revision| *revision.source == *file.source);
        if file.text.trim().is_empty() && was_serving {
            let reason = "is empty; delete it to remove its policies".to_owned();
            file.parsed = Err(Arc::new(PolicyError::NotAPolicy { file: shown, reason }));
            return file;
        }
        let parsed = Manifest::parse(&shown, &file.text);
        if let Ok(manifest) = &parsed {
            let named = manifest.policies.iter().filter_map(|item| tarball_of(item, path));
            file.tarballs = named.map(|tarball| (tarball.clone(), Stamp::of(&tarball))).collect();
            let same_tarballs = before.is_some_and(|before| before.tarballs == file.tarballs);
            let is_new = !same_tarballs || before.is_none_or(|before| before.stamp != file.stamp);
            let context = file.context(&shown, settings, is_new);
            let build = |item: &PolicyItem| {
                let may_stay = same_tarballs || tarball_of(item, path).is_none();
                let unchanged = before.filter(|_| may_stay).and_then(|before| before.good_inline(item));
                unchanged.map(Ok).or_else(|| Some(build_inline(&context, item)?.map_err(Arc::new)))
            };
            let inline = manifest.policies.iter().map(build).collect();
            let asked: Option<Vec<BTreeSet<String>>> =
                manifest.policies.iter().map(|item| asked_by(&item.policy)).collect();
            let asked = asked.map(|asked| asked.into_iter().flatten().collect());
            file.lock_note = context.orders.close(asked.as_ref());
            file.inline = inline;
        }
        file.parsed = parsed.map_err(Arc::new);
        file
    }

    /// What the same object came to before: a change in one document must not cost the engine what it has compiled of
    /// the others.
    fn good_inline(&self, item: &PolicyItem) -> Option<Built> {
        let known = self.parsed.as_ref().ok()?.policies.iter().zip(&self.inline);
        let same = known.filter(|(known, _)| *known == item).find_map(|(_, built)| built.as_ref());
        same?.as_ref().ok().cloned()
    }

    /// Whether it, or a tarball that it names, is not what it was.
    pub(super) fn is_stale(&self, path: &Path) -> bool {
        self.stamp != Stamp::of(path) || self.tarballs.iter().any(|(tarball, stamp)| *stamp != Stamp::of(tarball))
    }

    /// Whether both come to the same: then there is nothing new to serve, or to tell.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let same_code = self.inline.len() == other.inline.len()
            && self.inline.iter().zip(&other.inline).all(|(own, other)| match (own, other) {
                (Some(own), Some(other)) => are_alike(own, other),
                (None, None) => true,
                _ => false,
            });
        self.text == other.text && self.parsed.is_ok() && other.parsed.is_ok() && same_code
    }

    /// `is_new`: the file is not what it was when it was last read.
    pub(super) fn context<'c>(&'c self, shown: &'c str, settings: &'c Settings, is_new: bool) -> Context<'c> {
        Context {
            source: Arc::clone(&self.source),
            file: shown,
            text: &self.text,
            inspect: &*settings.inspect,
            given: &settings.given,
            compat: settings.compat,
            scripts_apart: settings.scripts_apart,
            orders: Orders::new(&settings.packages, &self.source, is_new),
        }
    }
}
