//! One policy and all that it imports, made into one script.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::Cache;
use super::error::NpmError;
use super::fetch::{Fetch, check_pinned, identity, package_json};
use super::graph::Graph;
use super::installed::{has_all, packages_of};
use super::integrity::{Integrity, sha512};
use super::lock::{Lock, Locked};
use super::packument::needs_of;
use super::registry::Registry;
use super::request::Request;
use super::tarball::{Files, unpack};
use super::tree::{Place, Tree, package_folder, policy_folder};
use super::{Inline, Made, Options, Source, process, project, shown};
use crate::bundle::apart::apart;
use crate::bundle::diagnostics::BundleError;
use crate::bundle::link::{Shape, link, link_whole};
use crate::bundle::lookup::{Looked, Lookup};
use crate::bundle::resolve::normalise;
use crate::bundle::sources::{Packages, Sources};

/// Bundles in a process of its own, where there is a program for that ([`super::use_program`]), else here.
///
/// # Errors
/// Where the source does not link, or a package of it cannot be had or must not be.
pub fn make(source: &Source, options: &Options) -> Result<Made, BundleError> {
    match process::program() {
        Some(program) => process::run(program, source, options),
        None => in_process(source, options),
    }
}

/// Bundles here.
pub fn in_process(source: &Source, options: &Options) -> Result<Made, BundleError> {
    let made = match source {
        Source::File(entry) => from_disk(Sources::disk(found_on_disk()), entry, Shape::Namespace),
        Source::Entry { path, text } => {
            from_disk(Sources::with_entry(path, text, found_on_disk()), path, Shape::Namespace)
        }
        Source::Locked { path, text, folder } => from_lock(path, text.as_deref(), folder, options),
        Source::Inline(inline) => from_manifest(inline, options),
        Source::Tarball { path, integrity } => from_tarball(path, integrity.as_deref(), options),
        Source::Registry { name, range, integrity } => from_registry(name, range, integrity.as_deref(), options),
    }?;
    if made.linked.script.len() > options.caps.script {
        let what = "the bytes of the script that comes of it".to_owned();
        let limit = options.caps.script as u64;
        return Err(NpmError::TooLarge { package: name_of(source), what, limit }.into());
    }
    Ok(made)
}

/// What an error calls a source.
pub fn name_of(source: &Source) -> String {
    match source {
        Source::File(path)
        | Source::Entry { path, .. }
        | Source::Locked { path, .. }
        | Source::Tarball { path, .. } => shown(path),
        Source::Inline(inline) => inline.file.clone(),
        Source::Registry { name, range, .. } => format!("{name}@{range}"),
    }
}

/// Those in the `node_modules` folders above whoever asks.
pub fn found_on_disk() -> Packages {
    Packages::Found(Box::new(Lookup::new(Place::default())))
}

fn from_disk(sources: Sources, entry: &Path, shape: Shape) -> Result<Made, BundleError> {
    let mut linked = link_whole(sources, entry, shape)?;
    let (lock, package_files) = packages_of(&linked.installed);
    linked.inputs.extend(package_files);
    Ok(Made { linked, lock })
}

fn from_lock(entry: &Path, text: Option<&str>, folder: &Path, options: &Options) -> Result<Made, BundleError> {
    let sources = |packages: Packages| match text {
        Some(text) => Sources::with_entry(entry, text, packages),
        None => Sources::disk(packages),
    };
    if let Some(linked) = link(sources(Packages::NotHere), entry, Shape::Namespace)? {
        return Ok(Made { linked, lock: Lock::default() });
    }
    let (requests, lock) = project::locked(folder)?;
    if lock.packages.len() > options.caps.packages {
        let (package, what) = (shown(folder), "the packages of its package-lock.json".to_owned());
        return Err(NpmError::TooLarge { package, what, limit: options.caps.packages as u64 }.into());
    }
    let options = Options { lock, ..options.clone() };
    let Gathered { files, lock, roots } = gather(&shown(folder), &requests, &BTreeMap::new(), &options)?;
    let place = Place(Some(Arc::new(Tree::beside_disk(files, &lock, folder, &roots))));
    let packages = Packages::Found(Box::new(Lookup::new(place.clone())));
    let mut linked = link_whole(sources(packages).at(place), entry, Shape::Namespace)?;
    linked.inputs.extend(project::files_of(folder));
    // npm keeps what was asked for.
    Ok(Made { linked, lock: Lock { asked: BTreeMap::new(), ..lock } })
}

fn from_manifest(inline: &Inline, options: &Options) -> Result<Made, BundleError> {
    let Inline { file, text, language, is_script, folder, dependencies } = inline;
    let shape = if *is_script { Shape::Effects } else { Shape::Namespace };
    if dependencies.is_empty() || folder.as_deref().is_some_and(|folder| has_all(folder, dependencies)) {
        let here = |folder: &PathBuf| {
            Sources::inline_in(folder, file, text, *language, Some(Place::default()), found_on_disk())
        };
        let nowhere = || Sources::inline(file, text, *language, Packages::Refused);
        let (sources, entry) = folder.as_ref().map_or_else(nowhere, here);
        return from_disk(sources, &entry, shape);
    }
    let gathered = gather(file, &requests(dependencies)?, &BTreeMap::new(), options)?;
    let place = Place(Some(Arc::new(Tree::new(gathered.files, &gathered.lock, &gathered.roots))));
    let packages = Packages::Found(Box::new(Lookup::new(place.clone())));
    let (sources, entry) = Sources::inline_in(&policy_folder(), file, text, *language, Some(place), packages);
    Ok(Made { linked: link_whole(sources, &entry, shape)?, lock: gathered.lock })
}

fn from_registry(name: &str, range: &str, integrity: Option<&str>, options: &Options) -> Result<Made, BundleError> {
    let request = Request::parse(name, range)?;
    let pinned = integrity.map(|text| parse_integrity(&request.name, text)).transpose()?;
    let requests = BTreeMap::from([(name.to_owned(), request)]);
    let pinned = pinned.map(|integrity| (name.to_owned(), integrity)).into_iter().collect();
    let gathered = gather(name, &requests, &pinned, options)?;
    let missing = || BundleError::Internal { file: name.to_owned(), reason: "it was not resolved".to_owned() };
    let key = gathered.roots.get(name).cloned().ok_or_else(missing)?;
    from_package(&key, gathered)
}

fn from_tarball(path: &Path, integrity: Option<&str>, options: &Options) -> Result<Made, BundleError> {
    let name = shown(path);
    let packed = read(path, options.caps.packed)?;
    let pinned = integrity.map(|text| parse_integrity(&name, text)).transpose()?;
    let packed = check_pinned(&name, pinned.as_ref(), packed)?;
    let files = unpack(&name, &packed, &options.caps)?;
    let (package, version) = identity(&name, &files)?;
    // Both become a part of paths.
    Request::parse(&package, &version)?;
    let key = format!("{package}@{version}");
    let needs = needs_of(&package_json(&name, &files)?);
    let mut gathered = gather(&name, &requests(&needs)?, &BTreeMap::new(), options)?;
    let root = Locked { integrity: Some(sha512(&packed)), dependencies: std::mem::take(&mut gathered.roots) };
    gathered.lock.asked.insert(key.clone(), key.clone());
    gathered.lock.packages.insert(key.clone(), root);
    gathered.files.insert(key.clone(), files);
    gathered.roots = BTreeMap::from([(package, key.clone())]);
    from_package(&key, gathered)
}

/// Links what a package names as its policies (contract §5).
fn from_package(key: &str, gathered: Gathered) -> Result<Made, BundleError> {
    let refused = |reason: String| NpmError::Tarball { package: key.to_owned(), reason };
    let (name, _) = super::lock::split(key);
    let root = gathered.files.get(key).ok_or_else(|| refused("it is empty".to_owned()))?;
    let json = package_json(key, root)?;
    let place = Place(Some(Arc::new(Tree::new(gathered.files, &gathered.lock, &gathered.roots))));
    let folder = package_folder(key);
    let entry = if let Some(named) = json.pointer("/bylaw/policies") {
        let named = named.as_str().unwrap_or_default();
        let entry = normalise(&folder.join(named));
        let is_inside = entry.starts_with(&folder) && place.is_file(&entry);
        let entry = is_inside.then_some(entry);
        entry.ok_or_else(|| refused(format!("its policies, `{named}`, are no module in it")))?
    } else {
        let found = Lookup::new(place.clone()).resolve(name, &policy_folder().join("policy.ts"), false);
        let Ok(Looked::File(found)) = found else {
            let reason = "it names no policies; add `\"bylaw\": {\"policies\": \"./policies/index.ts\"}` to its \
                          package.json";
            return Err(refused(reason.to_owned()).into());
        };
        found.path
    };
    Ok(Made { linked: link_whole(Sources::packed(place), &entry, Shape::Namespace)?, lock: gathered.lock })
}

/// What a map like that of a package.json asks for.
pub(super) fn requests(needs: &BTreeMap<String, String>) -> Result<BTreeMap<String, Request>, NpmError> {
    needs.iter().map(|(name, range)| Ok((name.clone(), Request::parse(name, range)?))).collect()
}

fn parse_integrity(package: &str, text: &str) -> Result<Integrity, NpmError> {
    Integrity::parse(text).ok_or_else(|| NpmError::Request {
        package: package.to_owned(),
        reason: "spec.package.integrity is no `sha512-…`; npm shows it with `npm view NAME dist.integrity`".to_owned(),
    })
}

/// Packages of a registry.
pub(super) struct Gathered {
    pub files: BTreeMap<String, Files>,
    pub lock: Lock,
    /// What the policy itself imports.
    pub roots: BTreeMap<String, String>,
}

/// Resolves, fetches and verifies; `pinned` is by the names of `requests`.
pub(super) fn gather(
    file: &str,
    requests: &BTreeMap<String, Request>,
    pinned: &BTreeMap<String, Integrity>,
    options: &Options,
) -> Result<Gathered, BundleError> {
    if requests.is_empty() {
        return Ok(Gathered { files: BTreeMap::new(), lock: Lock::default(), roots: BTreeMap::new() });
    }
    // The caller may be inside an async runtime.
    apart(file, || {
        let internal = |reason: String| BundleError::Internal { file: file.to_owned(), reason };
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().map_err(|error| internal(error.to_string()))?;
        let registry = Registry::new(options.npmrc.clone(), options.caps)?;
        let cache = options.cache.clone().map(Cache::new);
        let gathered = runtime.block_on(async {
            let mut graph = Graph::new(&registry, options.caps);
            let roots = graph.resolve(requests, &options.lock).await?;
            let (mut lock, sources) = graph.into_parts();
            let pinned =
                pinned.iter().filter_map(|(name, integrity)| Some((roots.get(name)?.clone(), integrity.clone())));
            let pinned = pinned.collect();
            let (cache, caps) = (cache.as_ref(), &options.caps);
            let fetch = Fetch { registry: &registry, cache, caps, sources: &sources, pinned: &pinned };
            let files = fetch.all(&mut lock).await?;
            Ok::<_, NpmError>(Gathered { files, lock, roots })
        });
        // What a name look-up still waits for must hold up nobody.
        runtime.shutdown_background();
        Ok(gathered?)
    })
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, BundleError> {
    let unreadable = |reason: String| BundleError::Unreadable { file: shown(path), reason };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    Ok(bytes)
}
