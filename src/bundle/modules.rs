//! The linker's view of the sources: a rolldown plugin that reads, scans and resolves every module itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rolldown::ModuleType;
use rolldown::plugin::{
    HookAddonArgs, HookInjectionOutputReturn, HookLoadArgs, HookLoadOutput, HookLoadReturn, HookResolveIdArgs,
    HookResolveIdOutput, HookResolveIdReturn, HookUsage, Plugin, PluginContext, SharedLoadPluginContext,
};
use rolldown_common::side_effects::HookSideEffects;
use rolldown_common::{ImportKind, ResolvedExternal};

use super::diagnostics::{BundleError, Diagnostic};
use super::global_object::{INTRO, with_own_global};
use super::link::Shape;
use super::lookup::{Found, Looked, no_file};
use super::npm::installed::package_folder;
use super::resolve::{Refusal, Target, is_node_built_in, is_relative, node_built_in, resolve};
use super::sdk::link_sdk;
use super::source::{Import, Scan, SdkName, scan_here, source_type};
use super::sources::{Packages, Sources, is_installed};

/// The module that stands for imports of which only types are used.
const TYPES_ONLY: &str = "\0bylaw:types";

/// The module that stands for what a package leaves out here: whatever is taken of it is undefined.
const LEFT_OUT: &str = "\0bylaw:left-out";

/// Added to the name of a `.js` file (and a `.ts` file) whose package.json says that it is an ES module: by the ending
/// the linker knows that what it imports of `CommonJS` modules is as in Node.
const AS_MODULE: [(&str, &str); 2] = [("js", "?.mjs"), ("ts", "?.mts")];

/// Where an import leads.
enum Resolved {
    Module(Found),
    Sdk,
    Types,
    LeftOut,
}

/// Why linking stops.
enum Stop {
    Refused(BundleError),
    /// It needs packages, and this is not where they are looked for.
    NeedsPackages,
}

#[derive(Debug)]
struct Loaded {
    text: Arc<str>,
    imports: Vec<Import>,
}

/// The plugin, and after the run what it saw.
pub(super) struct Modules {
    sources: Sources,
    entry: PathBuf,
    /// Scripts have a realm to themselves, and with it the realm's own global object.
    has_own_global: bool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    loaded: BTreeMap<PathBuf, Loaded>,
    errors: Vec<BundleError>,
    /// Some module speaks of the global object.
    names_global: bool,
    needs_packages: bool,
}

impl std::fmt::Debug for Modules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Modules").field("entry", &self.entry).finish_non_exhaustive()
    }
}

impl Modules {
    pub(super) fn new(sources: Sources, entry: &Path, shape: Shape) -> Self {
        let has_own_global = shape == Shape::Namespace;
        Self { sources, entry: entry.to_owned(), has_own_global, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first refusal by its text, so that the same sources always give the same error.
    pub(super) fn take_error(&self) -> Option<BundleError> {
        std::mem::take(&mut self.seen().errors).into_iter().min_by_key(ToString::to_string)
    }

    /// Whether linking stopped because packages are looked for elsewhere.
    pub(super) fn needs_packages(&self) -> bool {
        self.seen().needs_packages
    }

    /// The files that were read, the entry first; of installed packages their package.json, which is written anew
    /// whenever they are.
    pub(super) fn inputs(&self) -> Vec<PathBuf> {
        if !self.sources.is_on_disk(&self.entry) {
            return Vec::new();
        }
        let seen = self.seen();
        let mut inputs: Vec<PathBuf> = seen.loaded.keys().filter(|path| self.is_own(path)).cloned().collect();
        inputs.sort_by_key(|path| (*path != self.entry, path.clone()));
        inputs
    }

    /// The modules of installed packages that were read.
    pub(super) fn installed(&self) -> Vec<PathBuf> {
        let seen = self.seen();
        seen.loaded.keys().filter(|path| !self.is_own(path) && !self.sources.is_inline(path)).cloned().collect()
    }

    /// Whether a file is one of the policy's own. A policy may stand in an installed package itself.
    fn is_own(&self, path: &Path) -> bool {
        let home = package_folder(&self.entry);
        let inside = home.as_ref().and_then(|home| path.strip_prefix(home).ok());
        !is_installed(inside.unwrap_or(path)) && !self.sources.is_inline(path)
    }

    /// The shown name and the text of a module that the linker speaks of.
    pub(super) fn source_of(&self, id: &str) -> Option<(String, String)> {
        let path = path_of(id);
        let text = self.seen().loaded.get(path).map(|loaded| loaded.text.to_string())?;
        Some((self.sources.shown(path), text))
    }

    /// A source of the linker's map, which is relative to the entry's folder, as messages show it.
    pub(super) fn shown_in_map(&self, source: &str) -> String {
        self.sources.shown(&self.path_in_map(source))
    }

    /// The text of a source of the linker's map, as its author wrote it.
    pub(super) fn written(&self, source: &str) -> Option<Arc<str>> {
        self.seen().loaded.get(&self.path_in_map(source)).map(|loaded| Arc::clone(&loaded.text))
    }

    fn path_in_map(&self, source: &str) -> PathBuf {
        let folder = self.entry.parent().unwrap_or(&self.entry);
        super::resolve::normalise(&folder.join(path_of(source)))
    }

    fn record<T>(&self, result: Result<T, Stop>) -> std::io::Result<T> {
        result.map_err(|stop| match stop {
            Stop::Refused(error) => {
                let stop = std::io::Error::other(error.to_string());
                self.seen().errors.push(error);
                stop
            }
            Stop::NeedsPackages => {
                self.seen().needs_packages = true;
                std::io::Error::other("it needs packages")
            }
        })
    }

    fn load_module(&self, path: &Path) -> Result<Arc<str>, BundleError> {
        let text = self.sources.text(path)?;
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let scanned = if is_json { Scan::default() } else { self.scan(path, &text)? };
        let loaded = Loaded { text: Arc::clone(&text), imports: scanned.imports };
        let renamed = if is_json || !self.has_own_global { None } else { with_own_global(&text, source_type(path)) };
        let mut seen = self.seen();
        seen.loaded.insert(path.to_owned(), loaded);
        seen.names_global |= renamed.is_some();
        Ok(renamed.map_or(text, Arc::from))
    }

    fn scan(&self, path: &Path, text: &str) -> Result<Scan, BundleError> {
        let file = self.sources.shown(path);
        let scanned = scan_here(&file, path, text)?;
        if let Some(found) = scanned.unsupported {
            let diagnostic = Diagnostic::at_bytes(&file, text, found.start, found.end, found.what);
            return Err(BundleError::Unsupported(Box::new(diagnostic.with_help(found.help))));
        }
        // A name that is missing would be `undefined`, and fail at the first request.
        let sdk = if scanned.sdk_names.is_empty() { None } else { Some(link_sdk()?) };
        let has = |name: &SdkName| sdk.is_none_or(|sdk| sdk.exports.contains(&name.name));
        if let Some(missing) = scanned.sdk_names.iter().find(|name| !has(name)) {
            let message = format!("`@bylaw/sdk` does not export `{}`", missing.name);
            let diagnostic = Diagnostic::at_bytes(&file, text, missing.start, missing.end, message);
            let exports = sdk.map(|sdk| sdk.exports.join(", ")).unwrap_or_default();
            return Err(BundleError::Import(Box::new(diagnostic.with_help(format!("it exports {exports}")))));
        }
        Ok(scanned)
    }

    fn resolve_import(&self, specifier: &str, importer: &Path, kind: ImportKind) -> Result<Resolved, Stop> {
        let resolved = match self.target(specifier, importer, kind) {
            Ok(resolved) => return Ok(resolved),
            Err(None) => return Err(Stop::NeedsPackages),
            Err(Some(refusal)) => refusal,
        };
        let Refusal { message, help } = resolved;
        let file = self.sources.shown(importer);
        let seen = self.seen();
        let place = seen.loaded.get(importer).and_then(|loaded| {
            let import = loaded.imports.iter().find(|import| import.specifier == specifier);
            let (start, end) =
                import.map(|import| (import.start, import.end)).or_else(|| required(&loaded.text, specifier))?;
            Some(Diagnostic::at_bytes(&file, &loaded.text, start, end, message.clone()))
        });
        let diagnostic = place.unwrap_or_else(|| Diagnostic::general(format!("{file}: {message}")));
        Err(Stop::Refused(BundleError::Import(Box::new(diagnostic.with_help(help)))))
    }

    /// Where an import leads; `Err(None)` where this is not the place to look for it.
    fn target(&self, specifier: &str, importer: &Path, kind: ImportKind) -> Result<Resolved, Option<Refusal>> {
        let is_require = kind == ImportKind::Require;
        let is_typescript = source_type(importer).is_typescript();
        if is_relative(specifier) && is_installed(importer) && !is_typescript && !self.sources.is_inline(importer) {
            return self.look_up(specifier, importer, is_require);
        }
        let folder = importer.parent().filter(|_| !self.sources.is_inline(importer));
        match resolve(specifier, folder, |path| self.sources.is_file(path)) {
            Ok(Target::Sdk) if is_require => Err(Some(Refusal {
                message: "`@bylaw/sdk` cannot be required".to_owned(),
                help: "write `import { … } from \"@bylaw/sdk\"`".to_owned(),
            })),
            Ok(Target::Sdk) => Ok(Resolved::Sdk),
            Ok(Target::Types) => Ok(Resolved::Types),
            Ok(Target::File(path)) => Ok(Resolved::Module(Found { path, is_module: false, has_effects: None })),
            Ok(Target::Package) => self.look_up(specifier, importer, is_require),
            Err(refusal) => {
                match folder.filter(|_| is_relative(specifier) && refusal.message.starts_with("cannot find")) {
                    Some(folder) => Err(Some(no_file(specifier, folder, |folder| self.sources.names(folder)))),
                    None => Err(Some(refusal)),
                }
            }
        }
    }

    fn look_up(&self, specifier: &str, importer: &Path, is_require: bool) -> Result<Resolved, Option<Refusal>> {
        let is_built_in = is_node_built_in(specifier);
        match &self.sources.packages {
            Packages::Refused if is_built_in => Err(Some(node_built_in(specifier))),
            Packages::Refused => Err(Some(Refusal {
                message: format!("`{specifier}`: there are no packages here"),
                help: "put the policy in a file of its own, with a package.json above it".to_owned(),
            })),
            Packages::NotHere => Err(None),
            Packages::Found(lookup) => match lookup.resolve(specifier, importer, is_require) {
                Ok(Looked::File(found)) => Ok(Resolved::Module(found)),
                Ok(Looked::Types) => Ok(Resolved::Types),
                Ok(Looked::LeftOut) => Ok(Resolved::LeftOut),
                Err(_) if is_built_in => Err(Some(node_built_in(specifier))),
                Err(refusal) => Err(Some(refusal)),
            },
        }
    }
}

/// Where a text calls `require` with this.
fn required(text: &str, specifier: &str) -> Option<(u32, u32)> {
    let quoted = ['"', '\'', '`'].map(|quote| format!("{quote}{specifier}{quote}"));
    let calls = text.match_indices("require(").map(|(at, call)| at + call.len());
    calls.into_iter().find_map(|at| {
        let rest = text.get(at..)?;
        let start = at + (rest.len() - rest.trim_start().len());
        let found = quoted.iter().find(|quoted| rest.trim_start().starts_with(quoted.as_str()))?;
        Some((u32::try_from(start).ok()?, u32::try_from(start + found.len()).ok()?))
    })
}

/// What the linker calls a module.
fn id_of(found: &Found) -> String {
    let path = found.path.to_string_lossy();
    let extension = found.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let ending = AS_MODULE.iter().find(|(plain, _)| found.is_module && *plain == extension);
    ending.map_or_else(|| path.to_string(), |(_, ending)| format!("{path}{ending}"))
}

fn path_of(id: &str) -> &Path {
    let bare = AS_MODULE.iter().find_map(|(_, ending)| id.strip_suffix(ending));
    Path::new(bare.unwrap_or(id))
}

fn module_type(path: &Path) -> ModuleType {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => ModuleType::Json,
        Some("ts" | "mts" | "cts") => ModuleType::Ts,
        _ => ModuleType::Js,
    }
}

impl Plugin for Modules {
    fn name(&self) -> Cow<'static, str> {
        "bylaw".into()
    }

    async fn resolve_id(&self, _context: &PluginContext, args: &HookResolveIdArgs<'_>) -> HookResolveIdReturn {
        // The linker's own helpers.
        if args.specifier.starts_with('\0') || args.specifier.starts_with("@oxc-project/") {
            return Ok(None);
        }
        let Some(importer) = args.importer.filter(|_| !args.is_entry) else {
            return Ok(Some(HookResolveIdOutput::from_id(args.specifier)));
        };
        let output = match self.record(self.resolve_import(args.specifier, path_of(importer), args.kind))? {
            Resolved::Module(found) => HookResolveIdOutput {
                side_effects: match found.has_effects {
                    Some(false) => Some(HookSideEffects::False),
                    Some(true) => Some(HookSideEffects::True),
                    None => None,
                },
                ..HookResolveIdOutput::from_id(id_of(&found))
            },
            Resolved::Types => HookResolveIdOutput::from_id(TYPES_ONLY),
            Resolved::LeftOut => HookResolveIdOutput::from_id(LEFT_OUT),
            Resolved::Sdk => HookResolveIdOutput {
                external: Some(ResolvedExternal::Bool(true)),
                ..HookResolveIdOutput::from_id("@bylaw/sdk")
            },
        };
        Ok(Some(output))
    }

    async fn load(&self, _context: SharedLoadPluginContext, args: &HookLoadArgs<'_>) -> HookLoadReturn {
        let loaded = |code: &str, module_type| {
            Ok(Some(HookLoadOutput { code: code.into(), module_type: Some(module_type), ..HookLoadOutput::default() }))
        };
        if args.id == TYPES_ONLY {
            return loaded("export {};", ModuleType::Js);
        }
        if args.id == LEFT_OUT {
            return loaded("module.exports = {};", ModuleType::Js);
        }
        if args.id.starts_with('\0') || args.id.contains("@oxc-project/") {
            return Ok(None);
        }
        let path = path_of(args.id);
        let text = self.record(self.load_module(path).map_err(Stop::Refused))?;
        loaded(&text, module_type(path))
    }

    async fn intro(&self, _context: &PluginContext, _args: &HookAddonArgs) -> HookInjectionOutputReturn {
        Ok(self.seen().names_global.then(|| INTRO.to_owned()))
    }

    fn register_hook_usage(&self) -> HookUsage {
        HookUsage::ResolveId | HookUsage::Load | HookUsage::Intro
    }
}
