//! What stands in `node_modules`: name, version and, where npm wrote it down, the integrity of every package that a
//! script came from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::lock::{Lock, Locked};
use super::request::Request;

/// Where npm writes integrities down: beside `node_modules`, and inside of it.
const LOCKS: [&str; 2] = ["package-lock.json", "node_modules/.package-lock.json"];

/// A lock file of a whole project.
const MAX_BYTES: u64 = 64 << 20;

/// The packages that these modules belong to, and their package.json files.
pub fn packages_of(modules: &[PathBuf]) -> (Lock, Vec<PathBuf>) {
    let folders: BTreeSet<PathBuf> = modules.iter().filter_map(|module| package_folder(module)).collect();
    let mut lock = Lock::default();
    let mut known = BTreeMap::new();
    for folder in &folders {
        let package = json(&folder.join("package.json")).unwrap_or_default();
        let word = |name: &str| package.get(name).and_then(Value::as_str);
        let (Some(name), Some(version)) = (word("name"), word("version")) else { continue };
        let integrity = integrity(folder, version, &mut known);
        lock.packages.insert(format!("{name}@{version}"), Locked { integrity, dependencies: BTreeMap::new() });
    }
    (lock, folders.into_iter().map(|folder| folder.join("package.json")).collect())
}

/// Whether the `node_modules` folders above have all of these packages, in versions that will do.
pub fn has_all(folder: &Path, dependencies: &BTreeMap<String, String>) -> bool {
    dependencies.iter().all(|(imported_as, range)| {
        let Ok(request) = Request::parse(imported_as, range) else { return false };
        let mut above =
            folder.ancestors().map(|above| above.join("node_modules").join(imported_as).join("package.json"));
        let package = above.find_map(|path| json(&path)).unwrap_or_default();
        let word = |name: &str| package.get(name).and_then(Value::as_str).unwrap_or_default();
        word("name") == request.name && request.allows(word("version"))
    })
}

/// The folder of the package that a file is in: the one after the last `node_modules`.
pub(in crate::bundle) fn package_folder(module: &Path) -> Option<PathBuf> {
    let above: Vec<&Path> = module.ancestors().collect();
    let at = above.iter().position(|path| path.file_name().is_some_and(|name| name == "node_modules"))?;
    let first = above.get(at.checked_sub(1)?)?;
    let is_scope = first.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with('@'));
    let folder = if is_scope { above.get(at.checked_sub(2)?)? } else { first };
    Some((*folder).to_owned())
}

/// What a lock file of npm says of the package in this folder; `known` are those that were read.
fn integrity(folder: &Path, version: &str, known: &mut BTreeMap<PathBuf, Value>) -> Option<String> {
    let roots = folder.ancestors().filter(|above| above.file_name().is_some_and(|name| name == "node_modules"));
    for root in roots.filter_map(Path::parent) {
        let key = folder.strip_prefix(root).ok()?.to_str()?;
        for name in LOCKS {
            let path = root.join(name);
            let lock = known.entry(path.clone()).or_insert_with(|| json(&path).unwrap_or_default());
            let entry = lock.get("packages").and_then(|packages| packages.get(key));
            let same = entry.filter(|entry| entry.get("version").and_then(Value::as_str) == Some(version));
            if let Some(integrity) = same.and_then(|entry| entry.get("integrity")?.as_str()) {
                return Some(integrity.to_owned());
            }
        }
    }
    None
}

/// A JSON file, if it is one.
pub(super) fn json(path: &Path) -> Option<Value> {
    let length = std::fs::metadata(path).ok()?.len();
    if length > MAX_BYTES {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn packages_will_do_in_their_versions_only() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "node_modules/a/package.json", r#"{"name": "a", "version": "1.5.0"}"#);
        write(folder.path(), "dir/node_modules/@s/b/package.json", r#"{"name": "@s/b", "version": "2.0.0"}"#);
        let has = |wanted: &[(&str, &str)]| {
            let wanted = wanted.iter().map(|(name, range)| ((*name).to_owned(), (*range).to_owned())).collect();
            has_all(&folder.path().join("dir/inner"), &wanted)
        };
        assert!(has(&[("a", "^1.0.0"), ("@s/b", "2")]) && has(&[("a", "*")]));
        assert!(!has(&[("a", "^2")]) && !has(&[("a", "^1"), ("c", "1")]) && !has(&[("a", "npm:other@1")]));
    }

    #[test]
    fn packages_are_named_with_the_integrity_that_npm_wrote_down() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (name, version) in [("a", "1.0.0"), ("@s/b", "2.0.0"), ("a/node_modules/c", "3.0.0")] {
            let bare = name.rsplit("node_modules/").next().unwrap();
            let text = format!("{{\"name\": \"{bare}\", \"version\": \"{version}\"}}");
            write(root, &format!("node_modules/{name}/package.json"), &text);
        }
        let lock = r#"{"packages": {"node_modules/a": {"version": "1.0.0", "integrity": "sha512-a"},
            "node_modules/@s/b": {"version": "1.9.0", "integrity": "sha512-old"}}}"#;
        write(root, "package-lock.json", lock);
        let hidden =
            r#"{"packages": {"node_modules/a/node_modules/c": {"version": "3.0.0", "integrity": "sha512-c"}}}"#;
        write(root, "node_modules/.package-lock.json", hidden);
        let modules = ["a/lib/x.js", "a/index.js", "@s/b/index.js", "a/node_modules/c/index.js"];
        let modules: Vec<PathBuf> = modules.iter().map(|name| root.join("node_modules").join(name)).collect();
        let (lock, inputs) = packages_of(&modules);
        let told: Vec<(&str, &str, Option<&str>)> =
            lock.packages().map(|package| (package.name, package.version, package.integrity)).collect();
        assert_eq!(told, [("@s/b", "2.0.0", None), ("a", "1.0.0", Some("sha512-a")), ("c", "3.0.0", Some("sha512-c"))]);
        assert_eq!(inputs.len(), 3);
    }
}
