//! Where the import of a package leads: its `exports` under our conditions, its `main`, the files inside of it. The
//! search is Node's, through the `node_modules` folders above the importer.

use std::path::{Path, PathBuf};

use oxc_resolver::{PackageJson, ResolveError, ResolveOptions, ResolverGeneric};
use rolldown_common::PackageJson as LinkerPackageJson;

use super::near::nearest;
use super::npm::tree::Place;
use super::resolve::{Refusal, package_name};

/// A module of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub path: PathBuf,
    /// Its package says `"type": "module"`: then what it imports of `CommonJS` modules is as in Node.
    pub is_module: bool,
    /// What its package says: without effects, it is left out where nothing of it is used.
    pub has_effects: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Looked {
    File(Found),
    /// There are declarations only.
    Types,
    /// The package leaves it out where there is no Node (`"browser": {"x": false}`).
    LeftOut,
}

/// The search, with what it has read so far: for one run of the linker.
pub(super) struct Lookup {
    place: Place,
    import: ResolverGeneric<Place>,
    require: ResolverGeneric<Place>,
    types: ResolverGeneric<Place>,
}

/// In the order of preference of those who are not Node and not a browser.
const MAIN_FIELDS: [&str; 2] = ["module", "main"];

const EXTENSIONS: [&str; 6] = [".js", ".mjs", ".cjs", ".json", ".ts", ".mts"];

impl Lookup {
    pub(super) fn new(place: Place) -> Self {
        let text = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let options = |conditions: &[&str]| ResolveOptions {
            condition_names: text(conditions),
            extensions: text(&EXTENSIONS),
            extension_alias: vec![
                (".js".to_owned(), text(&[".js", ".ts"])),
                (".mjs".to_owned(), text(&[".mjs", ".mts"])),
            ],
            main_fields: text(&MAIN_FIELDS),
            // What a package says about places without Node, file by file.
            alias_fields: vec![text(&["browser"])],
            ..ResolveOptions::default()
        };
        let types = ResolveOptions {
            condition_names: text(&["types", "import", "default"]),
            extensions: text(&[".d.ts", ".d.mts", ".d.cts"]),
            main_fields: text(&["types", "typings"]),
            ..ResolveOptions::default()
        };
        let import = ResolverGeneric::new_with_file_system(place.clone(), options(&["bylaw", "import", "default"]));
        let require = import.clone_with_options(options(&["bylaw", "require", "default"]));
        let types = import.clone_with_options(types);
        Self { place, import, require, types }
    }

    /// Where `specifier` leads from the file `importer`.
    pub(super) fn resolve(&self, specifier: &str, importer: &Path, is_require: bool) -> Result<Looked, Refusal> {
        let folder = importer.parent().unwrap_or(importer);
        let resolver = if is_require { &self.require } else { &self.import };
        let error = match resolver.resolve(folder, specifier) {
            Ok(resolution) => {
                let package = resolution.package_json().map(|package| &**package);
                let path = resolution.path().to_owned();
                return if is_declaration(&path) {
                    Ok(Looked::Types)
                } else if is_loadable(&path) {
                    Ok(Looked::File(found(path, package)))
                } else {
                    let message = format!("`{specifier}` is not a file a policy can import");
                    Err(Refusal { message, help: "import .js, .mjs, .cjs, .ts, .mts, .cts or .json".to_owned() })
                };
            }
            Err(ResolveError::Ignored(_)) => return Ok(Looked::LeftOut),
            Err(error) => error,
        };
        let declared = self.types.resolve(folder, specifier).ok();
        if declared.is_some_and(|declared| is_declaration(declared.path())) {
            return Ok(Looked::Types);
        }
        Err(self.refusal(specifier, folder, &error))
    }

    fn refusal(&self, specifier: &str, folder: &Path, error: &ResolveError) -> Refusal {
        let refuse = |message: String, help: String| Refusal { message, help };
        if specifier.starts_with('.') {
            return no_file(specifier, folder, |folder| self.place.names(folder).into_iter().collect());
        }
        let package = package_name(specifier);
        let broken = |reason: &str| {
            let message = format!("npm package `{package}`: {reason}");
            refuse(message, "install the package anew, or another version of it".to_owned())
        };
        match error {
            ResolveError::PackagePathNotExported { subpath, package_json_path, .. } => {
                let asked = subpath.trim_start_matches("./");
                let exports = self.exports(package_json_path);
                let message = if matches!(asked, "." | "") {
                    format!("npm package `{package}` has nothing to import under the conditions bylaw, import, default")
                } else {
                    format!("npm package `{package}` does not export `{asked}`")
                };
                let near = nearest(asked, exports.iter().map(String::as_str));
                let help = match (near, exports.is_empty()) {
                    (Some(near), _) => format!("did you mean `{package}/{near}`?"),
                    (None, true) => "another version of the package may have it".to_owned(),
                    (None, false) => format!("it exports {}", listed(package, &exports)),
                };
                refuse(message, help)
            }
            ResolveError::PackageImportNotDefined(..) => refuse(
                format!("`{specifier}` is not among the `imports` of the package.json above this file"),
                "add it there, or write a path relative to this file, starting with `./` or `../`".to_owned(),
            ),
            ResolveError::Json(json) => broken(&format!("its package.json cannot be read: {json}")),
            ResolveError::InvalidPackageTarget(..)
            | ResolveError::InvalidPackageConfig(_)
            | ResolveError::InvalidPackageConfigDefault(_)
            | ResolveError::InvalidPackageConfigDirectory(_)
            | ResolveError::InvalidModuleSpecifier(..) => {
                broken(&error.to_string().replace(super::npm::tree::ROOT, ""))
            }
            _ => self.no_package(specifier, package, folder),
        }
    }

    fn no_package(&self, specifier: &str, package: &str, folder: &Path) -> Refusal {
        let installed = self.installed(folder);
        if installed.iter().any(|name| name == package) {
            let inside = specifier.get(package.len() + 1..).unwrap_or_default();
            let message = match inside {
                "" => format!("npm package `{package}` has no module: neither `exports` nor `main` leads to a file"),
                inside => format!("npm package `{package}` has no file `{inside}`"),
            };
            let help = "check the spelling, and that the package is whole (`npm ci`)".to_owned();
            return Refusal { message, help };
        }
        let near = nearest(package, installed.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.place.0.is_some() => "add it to the dependencies".to_owned(),
            None if is_asked_for(package, folder) => {
                "install what package.json asks for: `npm install` (with `--package-lock-only` it fetches nothing, and \
                 Bylaw fetches what package-lock.json then names)"
                    .to_owned()
            }
            None => format!("install it beside the policy: `npm install {package}`"),
        };
        Refusal { message: format!("cannot find the npm package `{package}`"), help }
    }

    /// The packages in the `node_modules` folders above.
    fn installed(&self, folder: &Path) -> Vec<String> {
        let mut names = Vec::new();
        for above in folder.ancestors() {
            let modules = above.join("node_modules");
            for name in self.place.names(&modules) {
                if name.starts_with('@') {
                    let scoped = self.place.names(&modules.join(&name));
                    names.extend(scoped.into_iter().map(|inner| format!("{name}/{inner}")));
                } else if !name.starts_with('.') {
                    names.push(name);
                }
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// The subpaths that a package exports, patterns left out.
    fn exports(&self, package_json: &Path) -> Vec<String> {
        use oxc_resolver::FileSystem as _;
        let text = self.place.read(package_json).unwrap_or_default();
        let package: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let exports = package.get("exports").and_then(serde_json::Value::as_object);
        let subpaths = exports.into_iter().flatten().filter_map(|(key, _)| key.strip_prefix("./"));
        subpaths.filter(|subpath| !subpath.contains('*') && *subpath != "package.json").map(str::to_owned).collect()
    }
}

/// Whether the package that this folder is in needs a package, by its package.json.
fn is_asked_for(package: &str, folder: &Path) -> bool {
    let above = folder.ancestors().map(|above| above.join("package.json")).find_map(|path| std::fs::read(path).ok());
    let json: serde_json::Value = serde_json::from_slice(&above.unwrap_or_default()).unwrap_or_default();
    super::npm::needs_of(&json).contains_key(package)
}

/// The refusal of a path that leads nowhere; `names` gives the names in a folder.
pub(super) fn no_file(specifier: &str, folder: &Path, names: impl Fn(&Path) -> Vec<String>) -> Refusal {
    let wanted = super::resolve::normalise(&folder.join(specifier));
    let name = wanted.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let names = wanted.parent().map(names).unwrap_or_default();
    let stem = |name: &str| name.split_once('.').map_or(name, |(stem, _)| stem).to_owned();
    let near = nearest(name, names.iter().map(String::as_str)).or_else(|| {
        nearest(&stem(name), names.iter().map(|name| name.split_once('.').map_or(name.as_str(), |(stem, _)| stem)))
    });
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "check the spelling; the path is relative to this file".to_owned(),
    };
    Refusal { message: format!("cannot find `{specifier}`"), help }
}

fn listed(package: &str, exports: &[String]) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = exports.iter().take(SHOWN).map(|export| format!("`{package}/{export}`")).collect();
    let more = if exports.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

fn found(path: PathBuf, package: Option<&PackageJson>) -> Found {
    let Some(package) = package else { return Found { path, is_module: false, has_effects: None } };
    let package = LinkerPackageJson::from_oxc_pkg_json(package);
    let folder = package.realpath().parent();
    let inside = folder.and_then(|folder| path.strip_prefix(folder).ok()).map(|inside| inside.to_string_lossy());
    let has_effects = inside.and_then(|inside| package.check_side_effects_for(&inside));
    Found { is_module: package.r#type() == Some("module"), has_effects, path }
}

fn is_loadable(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    matches!(extension, "js" | "mjs" | "cjs" | "json" | "ts" | "mts" | "cts")
}

fn is_declaration(path: &Path) -> bool {
    super::resolve::is_declaration(path)
}
