//! What was resolved, so that it is not resolved again: name, version and integrity of every package, and who imports
//! whom. Written as `bylaw.lock` beside the manifests that ask for packages; read again at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::NpmError;

/// The name of the file.
pub const LOCK_FILE: &str = "bylaw.lock";

/// What stands in `version`; another is refused, for it was written by a Bylaw that knows better.
const VERSION: u32 = 1;

/// A lock file is as long as its packages are many, and those are bounded.
const MAX_BYTES: u64 = 8 << 20;

/// One package that was resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Locked {
    /// `sha512-…` of its tarball. None where a `node_modules` folder gave the package and no `package-lock.json` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity: Option<String>,
    /// What it imports, by the name that it imports it by: `name@version`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: BTreeMap<String, String>,
}

/// Everything that one policy, or all policies of one manifest, came from. Packages are named `name@version`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lock {
    /// What was asked for (`name@range`), and what it came to (`name@version`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub asked: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<String, Locked>,
}

/// One line of a lock, for who only wants to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockedPackage<'l> {
    pub name: &'l str,
    pub version: &'l str,
    pub integrity: Option<&'l str>,
}

impl Lock {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// Name, version and integrity of every package, by name.
    pub fn packages(&self) -> impl Iterator<Item = LockedPackage<'_>> {
        self.packages.iter().map(|(key, locked)| {
            let (name, version) = split(key);
            LockedPackage { name, version, integrity: locked.integrity.as_deref() }
        })
    }

    /// The package that `name@range` came to, if all that it needs is in the lock too.
    #[must_use]
    pub fn answer(&self, asked: &str) -> Option<&str> {
        let answer = self.asked.get(asked)?;
        let is_whole = self.reachable([answer.as_str()]).iter().all(|key| self.packages.contains_key(*key));
        is_whole.then_some(answer)
    }

    /// Adds what another lock holds; on a difference the other is right.
    pub fn absorb(&mut self, other: Self) {
        self.asked.extend(other.asked);
        self.packages.extend(other.packages);
    }

    /// Leaves what is still asked for, and what that needs.
    pub fn keep(&mut self, asked: &BTreeSet<String>) {
        self.asked.retain(|request, _| asked.contains(request));
        let roots: Vec<String> = self.asked.values().cloned().collect();
        let needed: BTreeSet<String> =
            self.reachable(roots.iter().map(String::as_str)).into_iter().map(str::to_owned).collect();
        self.packages.retain(|key, _| needed.contains(key));
    }

    fn reachable<'l>(&'l self, roots: impl IntoIterator<Item = &'l str>) -> BTreeSet<&'l str> {
        let mut found = BTreeSet::new();
        let mut pending: Vec<&str> = roots.into_iter().collect();
        while let Some(key) = pending.pop() {
            if found.insert(key) {
                let locked = self.packages.get(key);
                pending.extend(locked.into_iter().flat_map(|locked| locked.dependencies.values().map(String::as_str)));
            }
        }
        found
    }
}

/// `name` and `version` of `name@version`; names of scopes begin with an `@` too.
#[must_use]
pub fn split(key: &str) -> (&str, &str) {
    let at = key.rfind('@').filter(|at| *at > 0).unwrap_or(key.len());
    (key.get(..at).unwrap_or(key), key.get(at + 1..).unwrap_or_default())
}

/// The file: one lock for each manifest of its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockFile {
    lockfile_version: u32,
    /// By the names of the manifests.
    #[serde(default)]
    manifests: BTreeMap<String, Lock>,
}

impl Default for LockFile {
    fn default() -> Self {
        Self { lockfile_version: VERSION, manifests: BTreeMap::new() }
    }
}

impl LockFile {
    /// Reads the file in a folder; one that does not exist is empty.
    ///
    /// # Errors
    /// Where it is there and cannot be read: resolving anew would float.
    pub fn read(path: &Path) -> Result<Self, NpmError> {
        let wrong = |reason: String| NpmError::LockFile { path: super::shown(path), reason };
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Ok(metadata) if metadata.len() > MAX_BYTES => return Err(wrong(format!("larger than {MAX_BYTES} bytes"))),
            _ => {}
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let file: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if file.lockfile_version != VERSION {
            return Err(wrong(format!("version {} is not known; this is version {VERSION}", file.lockfile_version)));
        }
        Ok(file)
    }

    /// The lock of one manifest.
    #[must_use]
    pub fn of(&self, manifest: &str) -> Lock {
        self.manifests.get(manifest).cloned().unwrap_or_default()
    }

    /// Replaces the lock of one manifest, and drops those of manifests that are gone. Whether anything changed.
    pub fn put(&mut self, manifest: &str, lock: Lock, is_there: impl Fn(&str) -> bool) -> bool {
        let before = self.clone();
        if lock.is_empty() {
            self.manifests.remove(manifest);
        } else {
            self.manifests.insert(manifest.to_owned(), lock);
        }
        self.manifests.retain(|name, _| name == manifest || is_there(name));
        *self != before
    }

    /// Writes the file, in one step, so that nobody reads half of it. Without any lock there is no file.
    ///
    /// # Errors
    /// Where the folder cannot be written to.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        if self.manifests.is_empty() {
            return match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let mut text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        text.push('\n');
        // A name that no loader takes for a policy.
        let beside = path.with_extension(format!("lock.{}", std::process::id()));
        std::fs::write(&beside, text)?;
        std::fs::rename(&beside, path).inspect_err(|_| drop(std::fs::remove_file(&beside)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(asked: &[(&str, &str)], packages: &[(&str, &[(&str, &str)])]) -> Lock {
        let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let locked = |needs: &[(&str, &str)]| Locked { integrity: Some("sha512-x".into()), dependencies: text(needs) };
        Lock {
            asked: text(asked),
            packages: packages.iter().map(|(key, needs)| ((*key).to_owned(), locked(needs))).collect(),
        }
    }

    #[test]
    fn names_with_a_scope_are_told_from_versions() {
        assert_eq!(split("@s/a@1.0.0"), ("@s/a", "1.0.0"));
        assert_eq!(split("a@1.0.0-rc.1"), ("a", "1.0.0-rc.1"));
        assert_eq!(split("@s/a"), ("@s/a", ""));
    }

    #[test]
    fn only_a_whole_answer_is_one() {
        let whole = lock(&[("a@^1", "a@1.0.0")], &[("a@1.0.0", &[("b", "b@2.0.0")]), ("b@2.0.0", &[])]);
        assert_eq!(whole.answer("a@^1"), Some("a@1.0.0"));
        assert_eq!(whole.answer("a@^2"), None);
        let part = lock(&[("a@^1", "a@1.0.0")], &[("a@1.0.0", &[("b", "b@2.0.0")])]);
        assert_eq!(part.answer("a@^1"), None);
    }

    #[test]
    fn what_nobody_asks_for_any_more_goes_with_all_that_only_it_needed() {
        let asked = [("a@^1", "a@1.0.0"), ("c@1", "c@1.0.0")];
        let packages: [(&str, &[(&str, &str)]); 4] = [
            ("a@1.0.0", &[("b", "b@2.0.0")]),
            ("b@2.0.0", &[("a", "a@1.0.0")]),
            ("c@1.0.0", &[("d", "d@1.0.0")]),
            ("d@1.0.0", &[]),
        ];
        let mut lock = lock(&asked, &packages);
        lock.keep(&BTreeSet::from(["a@^1".to_owned()]));
        assert_eq!(lock.packages.keys().collect::<Vec<_>>(), ["a@1.0.0", "b@2.0.0"]);
    }

    #[test]
    fn a_file_comes_back_as_it_was_written_and_forgets_manifests_that_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        let mut file = LockFile::read(&path).unwrap();
        assert!(file.put("p.yaml", lock(&[("a@1", "a@1.0.0")], &[("a@1.0.0", &[])]), |_| true));
        assert!(file.put("q.yaml", lock(&[("a@1", "a@1.0.0")], &[("a@1.0.0", &[])]), |_| true));
        file.write(&path).unwrap();
        let mut read = LockFile::read(&path).unwrap();
        assert_eq!(read, file);
        assert!(!read.put("p.yaml", read.of("p.yaml"), |_| true));
        assert!(read.put("p.yaml", Lock::default(), |name| name != "q.yaml"));
        read.write(&path).unwrap();
        assert!(!path.exists() && std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }

    #[test]
    fn a_broken_lock_is_no_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        for text in ["{", "{\"lockfileVersion\": 2}", "{\"lockfileVersion\": 1, \"more\": 1}"] {
            std::fs::write(&path, text).unwrap();
            let told = LockFile::read(&path).unwrap_err().to_string();
            assert!(told.contains("bylaw.lock") && told.contains("delete it"), "{told}");
        }
    }
}
