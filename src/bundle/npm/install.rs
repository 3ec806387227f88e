//! Packages of a registry in a `node_modules` folder on a disk, laid out as npm does it: each at the top, or, where the
//! top has another version, beside whoever imports it. No script of a package is run.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Options;
use super::caps::Caps;
use super::error::NpmError;
use super::lock::Lock;
use super::make::{gather, requests};
use super::tarball::Files;
use crate::bundle::diagnostics::BundleError;

const MODULES: &str = "node_modules";

/// Packages within packages. Versions that need each other in a circle never find a place.
const MAX_NESTED: usize = 16;

/// Packages that were resolved, verified and taken apart, with all of their files.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    lock: Lock,
    /// What was asked for: `name@version` by the name that it is imported by.
    roots: BTreeMap<String, String>,
    files: BTreeMap<String, Files>,
}

impl Fetched {
    /// Has these of their registry, under the caps of `options`; `file` is who asks, for errors.
    ///
    /// # Errors
    /// Where a package of them cannot be had, or must not be.
    pub fn of(file: &str, dependencies: &BTreeMap<String, String>, options: &Options) -> Result<Self, BundleError> {
        let caps = Caps { keeps_all: true, ..options.caps };
        let gathered = gather(file, &requests(dependencies)?, &BTreeMap::new(), &Options { caps, ..options.clone() })?;
        let fetched = Self { lock: gathered.lock, roots: gathered.roots, files: gathered.files };
        fetched.layout()?;
        Ok(fetched)
    }

    /// The version that was asked for, by the name that it is imported by.
    #[must_use]
    pub fn root(&self, imported_as: &str) -> Option<&str> {
        self.roots.get(imported_as).map(String::as_str)
    }

    /// The text of a file of what was asked for.
    #[must_use]
    pub fn text(&self, imported_as: &str, path: &str) -> Option<&[u8]> {
        self.files.get(self.root(imported_as)?)?.texts.get(Path::new(path)).map(|text| &**text)
    }

    /// Adds what another holds. The caller sees to it that both mean the same by the same name.
    pub fn absorb(&mut self, other: &Self) {
        self.lock.absorb(other.lock.clone());
        self.roots.extend(other.roots.clone());
        self.files.extend(other.files.clone());
    }

    /// Writes them below `folder`.
    ///
    /// # Errors
    /// Where it cannot be written to.
    pub fn install(&self, folder: &Path) -> io::Result<()> {
        for (place, key) in self.layout().map_err(io::Error::other)? {
            let place = folder.join(place);
            let Some(files) = self.files.get(&key) else { continue };
            for (path, text) in &files.texts {
                let path = place.join(path);
                fs::create_dir_all(path.parent().unwrap_or(&place))?;
                fs::write(path, text)?;
            }
        }
        Ok(())
    }

    /// The folder of each package, which may stand in several.
    fn layout(&self) -> Result<BTreeMap<PathBuf, String>, NpmError> {
        let mut placed = BTreeMap::new();
        let mut open = VecDeque::new();
        for (imported_as, key) in &self.roots {
            let place = Path::new(MODULES).join(imported_as);
            placed.insert(place.clone(), key.clone());
            open.push_back((place, 1));
        }
        while let Some((importer, depth)) = open.pop_front() {
            let Some(key) = placed.get(&importer).cloned() else { continue };
            if depth > MAX_NESTED {
                let reason = "it and what it needs ask for each other in ever other versions".to_owned();
                return Err(NpmError::Tarball { package: key, reason });
            }
            let needs = self.lock.packages.get(&key).map(|locked| &locked.dependencies);
            for (name, needed) in needs.into_iter().flatten() {
                let own = Path::new(MODULES).join(name);
                if self.files.get(&key).is_some_and(|files| files.texts.keys().any(|path| path.starts_with(&own))) {
                    // The package brought it along.
                    continue;
                }
                let (place, depth) = match importer.ancestors().find_map(|above| placed.get(&above.join(&own))) {
                    Some(known) if known == needed => continue,
                    Some(_) => (importer.join(&own), depth + 1),
                    None => (own, 1),
                };
                placed.insert(place.clone(), needed.clone());
                open.push_back((place, depth));
            }
        }
        Ok(placed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lock::Locked;
    use super::*;

    /// `needs` are `name@version` and what it imports, all of it by its own name.
    fn fetched(roots: &[&str], needs: &[(&str, &[&str])]) -> Fetched {
        let by_name = |keys: &[&str]| -> BTreeMap<String, String> {
            keys.iter().map(|key| (super::super::split(key).0.to_owned(), (*key).to_owned())).collect()
        };
        let locked = |needs: &[&str]| Locked { integrity: None, dependencies: by_name(needs) };
        let packages = needs.iter().map(|(key, needs)| ((*key).to_owned(), locked(needs))).collect();
        let text = |key: &str| BTreeMap::from([(PathBuf::from("package.json"), key.as_bytes().into())]);
        let files = needs.iter().map(|(key, _)| ((*key).to_owned(), Files { texts: text(key), unpacked: 0 })).collect();
        Fetched { lock: Lock { packages, ..Lock::default() }, roots: by_name(roots), files }
    }

    fn laid_out(fetched: &Fetched) -> Vec<String> {
        let layout = fetched.layout().unwrap();
        layout
            .iter()
            .map(|(place, key)| format!("{} {key}", place.display().to_string().replace(MODULES, "-")))
            .collect()
    }

    #[test]
    fn packages_stand_at_the_top_unless_another_version_does() {
        let fetched = fetched(
            &["a@1", "@s/b@1"],
            &[("a@1", &["c@1"]), ("@s/b@1", &["c@2", "d@1"]), ("c@1", &[]), ("c@2", &["a@1"]), ("d@1", &["c@1"])],
        );
        // Roots are placed in the order of their names, and what they need in that order too.
        assert_eq!(
            laid_out(&fetched),
            ["-/@s/b @s/b@1", "-/a a@1", "-/a/-/c c@1", "-/c c@2", "-/d d@1", "-/d/-/c c@1"]
        );
    }

    #[test]
    fn packages_that_need_each_other_end() {
        assert_eq!(laid_out(&fetched(&["a@1"], &[("a@1", &["b@1"]), ("b@1", &["a@1"])])), ["-/a a@1", "-/b b@1"]);
        let endless = [("a@1", &["b@2"][..]), ("b@1", &["a@1"]), ("a@2", &["b@1"]), ("b@2", &["a@2"])];
        let told = fetched(&["a@1", "b@1"], &endless).layout().unwrap_err().to_string();
        assert!(told.contains("ask for each other"), "{told}");
    }

    #[test]
    fn files_are_written_where_node_looks_for_them() {
        let folder = tempfile::tempdir().unwrap();
        fetched(&["@s/a@1"], &[("@s/a@1", &["b@1"]), ("b@1", &[])]).install(folder.path()).unwrap();
        let text =
            |path: &str| fs::read_to_string(folder.path().join(MODULES).join(path).join("package.json")).unwrap();
        assert_eq!((text("@s/a").as_str(), text("b").as_str()), ("@s/a@1", "b@1"));
    }
}
