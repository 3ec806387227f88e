//! A package folder whose dependencies are locked but not installed, as a fresh clone is: its `package-lock.json` says
//! which versions to fetch and what their tarballs must be. Where it was fetched from then it does not say here: `.npmrc`
//! does, as for every package.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::NpmError;
use super::installed::json;
use super::lock::{Lock, Locked};
use super::packument::needs_of;
use super::request::Request;
use super::{Source, shown};

const MANIFEST: &str = "package.json";
const LOCK: &str = "package-lock.json";

/// Since npm 7: a map by the places where npm would install.
const VERSIONS: [u64; 2] = [2, 3];

/// What to bundle for a module on disk; `text` is its own where it is not written there.
#[must_use]
pub fn source_at(path: PathBuf, text: Option<String>) -> Source {
    match (not_installed(&path), text) {
        (Some(folder), text) => Source::Locked { path, text, folder },
        (None, Some(text)) => Source::Entry { path, text },
        (None, None) => Source::File(path),
    }
}

/// The files that say which packages a module on disk is to be bundled with; none where they are installed.
#[must_use]
pub fn locked_by(module: &Path) -> Vec<PathBuf> {
    not_installed(module).map(|folder| files_of(&folder)).unwrap_or_default()
}

/// The files that say what a package folder needs.
#[must_use]
pub fn files_of(folder: &Path) -> Vec<PathBuf> {
    let lock = lock_above(folder).map_or_else(|| folder.join(LOCK), |above| above.join(LOCK));
    vec![folder.join(MANIFEST), lock]
}

/// The folder of the package that a module is in, if npm locked what it needs and something of that is not there.
fn not_installed(module: &Path) -> Option<PathBuf> {
    if module.components().any(|part| part.as_os_str() == "node_modules") {
        return None;
    }
    let folder = module.ancestors().skip(1).find(|folder| folder.join(MANIFEST).is_file())?;
    lock_above(folder)?;
    let needs = needs_of(&json(&folder.join(MANIFEST))?);
    let is_there = |name: &String| {
        let mut above = folder.ancestors().map(|above| above.join("node_modules").join(name).join(MANIFEST));
        above.any(|path| path.is_file())
    };
    needs.keys().any(|name| !is_there(name)).then(|| folder.to_owned())
}

/// The folder of the lock for a package: its own, or that of the workspace that it is in.
fn lock_above(folder: &Path) -> Option<PathBuf> {
    if folder.join(LOCK).is_file() {
        return Some(folder.to_owned());
    }
    let mut above = folder.ancestors().skip(1).filter(|above| above.join(LOCK).is_file());
    let found = above.next()?;
    let lock = json(&found.join(LOCK))?;
    let inside = folder.strip_prefix(found).ok()?.to_str()?;
    lock.get("packages")?.get(inside).map(|_| found.to_owned())
}

/// What the package in a folder imports, and the versions that npm locked.
///
/// # Errors
/// Where the lock cannot be read, or is not of this package.json.
pub fn locked(folder: &Path) -> Result<(BTreeMap<String, Request>, Lock), NpmError> {
    let home = lock_above(folder).unwrap_or_else(|| folder.to_owned());
    let path = home.join(LOCK);
    let wrong = |reason: String| NpmError::PackageLock { path: shown(&path), reason };
    let package = json(&folder.join(MANIFEST)).unwrap_or_default();
    let file = json(&path).ok_or_else(|| wrong("cannot be read".to_owned()))?;
    let version = file.get("lockfileVersion").and_then(Value::as_u64).unwrap_or_default();
    if !VERSIONS.contains(&version) {
        return Err(wrong(format!("is of version {version}, not 2 or 3")));
    }
    let places = file.get("packages").and_then(Value::as_object).ok_or_else(|| wrong("has no packages".to_owned()))?;
    let inside = folder.strip_prefix(&home).unwrap_or(Path::new("")).to_owned();
    let mut walk = Walk { places, lock: Lock::default(), open: Vec::new() };
    let mut requests = BTreeMap::new();
    for (name, range) in needs_of(&package) {
        let request = Request::parse(&name, &range)?;
        let is_own = package.get("dependencies").is_some_and(|all| all.get(&name).is_some());
        let Some((key, version)) = walk.find(&inside, &name).map_err(&wrong)? else {
            if is_own {
                return Err(wrong(format!("does not have `{name}`, which package.json asks for")));
            }
            continue;
        };
        if !request.allows(&version) {
            return Err(wrong(format!("has `{key}`, and package.json asks for `{request}`")));
        }
        walk.lock.asked.insert(request.to_string(), key);
        requests.insert(name, request);
    }
    walk.follow().map_err(&wrong)?;
    Ok((requests, walk.lock))
}

/// From what the package imports to all that this needs, as Node would find it in what npm would install.
struct Walk<'f> {
    places: &'f serde_json::Map<String, Value>,
    lock: Lock,
    /// Packages whose own needs are not looked at yet, and where they would be.
    open: Vec<(String, PathBuf)>,
}

impl Walk<'_> {
    /// Name and version of the package that `name` is for whoever is at this place, noted to be followed.
    fn find(&mut self, place: &Path, name: &str) -> Result<Option<(String, String)>, String> {
        let above = place.ancestors().filter(|above| !above.ends_with("node_modules"));
        let mut candidates = above.map(|above| above.join("node_modules").join(name));
        let found = candidates.find_map(|there| Some((self.places.get(there.to_str()?)?, there)));
        let Some((entry, there)) = found else { return Ok(None) };
        let word = |field: &str| entry.get(field).and_then(Value::as_str);
        if entry.get("link") == Some(&Value::Bool(true)) {
            let folder = word("resolved").unwrap_or_default();
            return Err(format!("has `{name}` as a link to the folder `{folder}`, which no registry has"));
        }
        let (own, version) = (word("name").unwrap_or(name), word("version").unwrap_or_default());
        // Both become a part of paths.
        if Request::parse(own, version).ok().and_then(|request| request.exact().map(str::len)).is_none() {
            return Err(format!("has `{}` without a name and a version", there.display()));
        }
        let key = format!("{own}@{version}");
        // npm may have one version at two places that find different ones of what it needs: the first speaks for both.
        if !self.lock.packages.contains_key(&key) {
            let integrity = word("integrity").map(str::to_owned);
            self.lock.packages.insert(key.clone(), Locked { integrity, dependencies: BTreeMap::new() });
            self.open.push((key.clone(), there));
        }
        Ok(Some((key, version.to_owned())))
    }

    fn follow(&mut self) -> Result<(), String> {
        while let Some((key, place)) = self.open.pop() {
            let entry = place.to_str().and_then(|place| self.places.get(place)).unwrap_or(&Value::Null);
            let mut dependencies = BTreeMap::new();
            for name in needs_of(entry).into_keys() {
                // What npm left out, such as a peer that nobody wanted, is missed only by who imports it.
                if let Some((found, _)) = self.find(&place, &name)? {
                    dependencies.insert(name, found);
                }
            }
            if let Some(locked) = self.lock.packages.get_mut(&key) {
                locked.dependencies = dependencies;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "project_tests.rs"]
mod tests;
