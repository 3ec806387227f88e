//! npm packages that a migrated policy imports: found where its manifest has them, and brought to where it is compared
//! and to where it is written, so that it runs there at once.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::bundle::npm::{Fetched, LOCK_FILE, LockFile, Options, has_all};

/// Packages by the names that they are imported by.
#[derive(Debug, Clone, Default)]
pub struct Packages {
    /// What was asked for, as a package.json says it.
    ranges: BTreeMap<String, String>,
    /// Those that stand in a `node_modules` folder, and where.
    linked: BTreeMap<String, PathBuf>,
    /// Those of a registry.
    fetched: Fetched,
}

/// They are the same where they are asked for alike and came to the same.
impl PartialEq for Packages {
    fn eq(&self, other: &Self) -> bool {
        self.ranges == other.ranges && self.ranges.keys().all(|name| self.came_to(name) == other.came_to(name))
    }
}

impl Packages {
    /// As the engine looks for them: in the `node_modules` folders above the manifest, else in a registry.
    ///
    /// # Errors
    /// Where one cannot be had.
    pub fn find(manifest: &Path, ranges: BTreeMap<String, String>) -> Result<Self, String> {
        let manifest = std::path::absolute(manifest).map_err(|error| error.to_string())?;
        let folder = manifest.parent().unwrap_or(&manifest);
        if has_all(folder, &ranges) {
            let place = |name: &String| {
                let mut above = folder.ancestors().map(|above| above.join("node_modules").join(name));
                let found = above.find_map(|path| fs::canonicalize(path).ok());
                found.map(|path| (name.clone(), path)).ok_or_else(|| format!("npm package `{name}` is gone"))
            };
            let linked = ranges.keys().map(place).collect::<Result<_, _>>()?;
            return Ok(Self { ranges, linked, fetched: Fetched::default() });
        }
        let name = manifest.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let lock = LockFile::read(&folder.join(LOCK_FILE)).map_err(|error| error.to_string())?.of(name);
        let options = Options::load(Some(folder), lock).map_err(|error| error.to_string())?;
        let fetched = Fetched::of(name, &ranges, &options).map_err(|error| error.to_string())?;
        Ok(Self { ranges, linked: BTreeMap::new(), fetched })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Adds others, if nothing of both is asked for in two ways; whether it did.
    pub fn absorb(&mut self, other: &Self) -> bool {
        let is_same = |name: &String| {
            self.ranges.get(name) == other.ranges.get(name) && self.came_to(name) == other.came_to(name)
        };
        if !other.ranges.keys().filter(|name| self.ranges.contains_key(*name)).all(is_same) {
            return false;
        }
        self.ranges.extend(other.ranges.clone());
        self.linked.extend(other.linked.clone());
        self.fetched.absorb(&other.fetched);
        true
    }

    /// Makes them stand in the `node_modules` folder of `folder`, unless they are found from there already.
    ///
    /// # Errors
    /// Where another version is in the way, or the folder cannot be written to.
    pub fn install(&self, folder: &Path) -> Result<(), String> {
        if has_all(folder, &self.ranges) {
            return Ok(());
        }
        let modules = folder.join("node_modules");
        if let Some(taken) =
            self.ranges.keys().map(|name| modules.join(name)).find(|path| path.symlink_metadata().is_ok())
        {
            return Err(format!(
                "{} is another version than what the policies were compared with; take it away",
                taken.display()
            ));
        }
        let unwritable = |error: std::io::Error| format!("cannot write {}: {error}", modules.display());
        for (name, place) in &self.linked {
            let link = modules.join(name);
            fs::create_dir_all(link.parent().unwrap_or(&modules)).map_err(unwritable)?;
            symlink(place, link).map_err(unwritable)?;
        }
        self.fetched.install(folder).map_err(unwritable)
    }

    /// A package.json that asks for them: `text` where there is one already.
    #[must_use]
    pub fn package_json(&self, text: Option<&str>) -> String {
        let known = text.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
        let mut package = known.unwrap_or_else(|| {
            Map::from_iter([("private".to_owned(), json!(true)), ("type".to_owned(), json!("module"))])
        });
        let known = package.get("dependencies").and_then(Value::as_object).cloned().unwrap_or_default();
        let own = self.ranges.iter().map(|(name, range)| (name.clone(), json!(range)));
        package.insert("dependencies".to_owned(), known.into_iter().chain(own).collect::<Map<_, _>>().into());
        let package = Value::Object(package);
        format!("{package:#}\n")
    }

    /// Declarations for those that bring no types; without them nothing that imports them type-checks.
    #[must_use]
    pub fn declarations(&self) -> Option<String> {
        let untyped: Vec<&str> = self.ranges.keys().map(String::as_str).filter(|name| !self.is_typed(name)).collect();
        let first = untyped.first()?;
        let about = format!(
            "// Packages that come without types: all that is imported of them is `any`. Where their types are installed\n\
             // (`npm install --save-dev {}`), take their lines away.\n",
            types_of(first)
        );
        let lines = untyped.iter().map(|name| format!("declare module \"{name}\";\ndeclare module \"{name}/*\";\n"));
        Some(about + &lines.collect::<String>())
    }

    fn is_typed(&self, name: &str) -> bool {
        let package: Value =
            self.text(name, "package.json").and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let says = ["types", "typings"].iter().any(|field| package.get(field).is_some());
        let exports = package.get("exports").is_some_and(|exports| exports.to_string().contains("\"types\":"));
        says || exports || self.text(name, "index.d.ts").is_some() || self.ranges.contains_key(&types_of(name))
    }

    fn text(&self, name: &str, path: &str) -> Option<Vec<u8>> {
        match self.linked.get(name) {
            Some(place) => fs::read(place.join(path)).ok(),
            None => self.fetched.text(name, path).map(<[u8]>::to_vec),
        }
    }

    /// The package behind a name.
    fn came_to(&self, name: &str) -> Option<String> {
        let place = self.linked.get(name).map(|path| path.display().to_string());
        place.or_else(|| self.fetched.root(name).map(str::to_owned))
    }
}

/// The package with the types of another.
fn types_of(name: &str) -> String {
    format!("@types/{}", name.trim_start_matches('@').replace('/', "__"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with packages in it, each with an `index.js`, and `index.d.ts` where it is typed.
    fn project(packages: &[(&str, &str, bool)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, version, is_typed) in packages {
            let home = folder.path().join("node_modules").join(name);
            fs::create_dir_all(&home).unwrap();
            fs::write(home.join("package.json"), json!({"name": name, "version": version}).to_string()).unwrap();
            if *is_typed {
                fs::write(home.join("index.d.ts"), "").unwrap();
            }
        }
        folder
    }

    fn found(folder: &tempfile::TempDir, ranges: &[(&str, &str)]) -> Packages {
        let ranges = ranges.iter().map(|(name, range)| ((*name).to_owned(), (*range).to_owned())).collect();
        Packages::find(&folder.path().join("in/p.yaml"), ranges).unwrap()
    }

    #[test]
    fn installed_packages_are_linked_to_where_they_are_needed() {
        let folder = project(&[("a", "1.2.0", false), ("@s/b", "2.0.0", true)]);
        let packages = found(&folder, &[("a", "^1.0.0"), ("@s/b", "2")]);
        let out = tempfile::tempdir().unwrap();
        packages.install(out.path()).unwrap();
        packages.install(out.path()).unwrap();
        assert!(out.path().join("node_modules/@s/b/index.d.ts").is_file());
        let told = found(&project(&[("a", "3.0.0", false)]), &[("a", "3")]).install(out.path()).unwrap_err();
        assert!(told.contains("node_modules/a is another version"), "{told}");
    }

    #[test]
    fn what_two_policies_ask_for_alike_is_one() {
        let folder = project(&[("a", "1.2.0", false), ("b", "2.0.0", true)]);
        let mut all = found(&folder, &[("a", "^1")]);
        assert!(all.absorb(&found(&folder, &[("a", "^1"), ("b", "2")])));
        assert!(!all.absorb(&found(&folder, &[("a", "1.x")])), "another range");
        assert!(!all.absorb(&found(&project(&[("b", "2.0.0", true)]), &[("b", "2")])), "another place");
        let package: Value = serde_json::from_str(&all.package_json(None)).unwrap();
        assert_eq!(package["dependencies"], json!({"a": "^1", "b": "2"}));
    }

    #[test]
    fn a_package_json_that_is_there_keeps_what_it_has() {
        let folder = project(&[("a", "1.2.0", false)]);
        let text =
            found(&folder, &[("a", "^1")]).package_json(Some("{\"name\": \"x\", \"dependencies\": {\"c\": \"1\"}}"));
        let package: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(package, json!({"name": "x", "dependencies": {"c": "1", "a": "^1"}}));
    }

    #[test]
    fn packages_without_types_are_declared() {
        let folder = project(&[("@s/a", "1.2.0", false), ("b", "2.0.0", true)]);
        assert_eq!(found(&folder, &[("b", "2")]).declarations(), None);
        let declared = found(&folder, &[("@s/a", "1"), ("b", "2")]).declarations().unwrap();
        assert!(declared.contains("@types/s__a") && declared.contains("declare module \"@s/a\";\n"), "{declared}");
        assert!(!declared.contains("\"b\""), "{declared}");
    }
}
