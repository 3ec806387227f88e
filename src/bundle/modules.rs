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
use rolldown_common::{ImportKind, ResolvedExternal};

use super::diagnostics::{BundleError, Diagnostic};
use super::global_object::{INTRO, with_own_global};
use super::link::{Language, Shape};
use super::resolve::{Target, resolve};
use super::sdk::link_sdk;
use super::source::{Import, Scan, SdkName, read, scan_here, source_type};

/// The module that stands for imports of which only types are used.
const TYPES_ONLY: &str = "\0bylaw:types";

/// Where modules come from.
#[derive(Debug)]
pub(super) enum Sources {
    Disk,
    /// Texts by path, and the one name that errors show instead of such a path.
    Memory {
        texts: BTreeMap<PathBuf, Arc<str>>,
        shown: Option<String>,
        has_neighbours: bool,
    },
}

impl Sources {
    /// One module without neighbours, and the path it gets.
    pub(super) fn inline(file: &str, text: &str, language: Language) -> (Self, PathBuf) {
        let path = PathBuf::from(format!("/inline/policy.{}", language.extension()));
        let texts = BTreeMap::from([(path.clone(), Arc::from(text))]);
        (Self::Memory { texts, shown: Some(file.to_owned()), has_neighbours: false }, path)
    }

    /// The name of a module in messages: as short as the reader's working directory allows.
    pub(super) fn shown(&self, path: &Path) -> String {
        if let Self::Memory { shown: Some(shown), .. } = self {
            return shown.clone();
        }
        shown_path(path)
    }

    fn text(&self, path: &Path) -> Result<Arc<str>, BundleError> {
        match self {
            Self::Disk => read(path, &self.shown(path)).map(Arc::from),
            Self::Memory { texts, .. } => texts.get(path).cloned().ok_or_else(|| BundleError::Unreadable {
                file: self.shown(path),
                reason: "it is not part of the bundle".to_owned(),
            }),
        }
    }

    fn is_file(&self, path: &Path) -> bool {
        match self {
            Self::Disk => path.is_file(),
            Self::Memory { texts, .. } => texts.contains_key(path),
        }
    }

    fn has_neighbours(&self) -> bool {
        !matches!(self, Self::Memory { has_neighbours: false, .. })
    }
}

/// A path as messages show it: relative to the working directory where it is inside.
pub(crate) fn shown_path(path: &Path) -> String {
    let inside = std::env::current_dir().ok().and_then(|folder| path.strip_prefix(folder).ok().map(Path::to_owned));
    inside.as_deref().unwrap_or(path).to_string_lossy().into_owned()
}

#[derive(Debug)]
struct Loaded {
    text: Arc<str>,
    imports: Vec<Import>,
}

/// The plugin, and after the run what it saw.
#[derive(Debug)]
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

    /// The files that were read, the entry first.
    pub(super) fn inputs(&self) -> Vec<PathBuf> {
        if !matches!(self.sources, Sources::Disk) {
            return Vec::new();
        }
        let mut inputs: Vec<PathBuf> = self.seen().loaded.keys().cloned().collect();
        inputs.sort_by_key(|path| (*path != self.entry, path.clone()));
        inputs
    }

    /// The shown name and the text of a module that the linker speaks of.
    pub(super) fn source_of(&self, id: &str) -> Option<(String, String)> {
        let path = Path::new(id);
        let text = self.seen().loaded.get(path).map(|loaded| loaded.text.to_string())?;
        Some((self.sources.shown(path), text))
    }

    /// A source of the linker's map, which is relative to the entry's folder, as messages show it.
    pub(super) fn shown_in_map(&self, source: &str) -> String {
        let folder = self.entry.parent().unwrap_or(&self.entry);
        self.sources.shown(&super::resolve::normalise(&folder.join(source)))
    }

    /// The text of a source of the linker's map, as its author wrote it.
    pub(super) fn written(&self, source: &str) -> Option<Arc<str>> {
        let folder = self.entry.parent().unwrap_or(&self.entry);
        let path = super::resolve::normalise(&folder.join(source));
        self.seen().loaded.get(&path).map(|loaded| Arc::clone(&loaded.text))
    }

    fn record<T>(&self, result: Result<T, BundleError>) -> std::io::Result<T> {
        result.map_err(|error| {
            let stop = std::io::Error::other(error.to_string());
            self.seen().errors.push(error);
            stop
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

    fn resolve_import(&self, specifier: &str, importer: &Path, kind: ImportKind) -> Result<Target, BundleError> {
        let folder = importer.parent().filter(|_| self.sources.has_neighbours());
        let resolved = resolve(specifier, folder, |path| self.sources.is_file(path));
        let (message, help) = match resolved {
            Ok(Target::Sdk) if kind == ImportKind::Require => {
                ("`@bylaw/sdk` cannot be required".to_owned(), "write `import { … } from \"@bylaw/sdk\"`".to_owned())
            }
            Ok(target) => return Ok(target),
            Err(refusal) => (refusal.message, refusal.help),
        };
        let file = self.sources.shown(importer);
        let seen = self.seen();
        let place = seen.loaded.get(importer).and_then(|loaded| {
            let import = loaded.imports.iter().find(|import| import.specifier == specifier)?;
            Some(Diagnostic::at_bytes(&file, &loaded.text, import.start, import.end, message.clone()))
        });
        let diagnostic = place.unwrap_or_else(|| Diagnostic::general(format!("{file}: {message}")));
        Err(BundleError::Import(Box::new(diagnostic.with_help(help))))
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
        let output = match self.record(self.resolve_import(args.specifier, Path::new(importer), args.kind))? {
            Target::File(path) => HookResolveIdOutput::from_id(path.to_string_lossy().into_owned()),
            Target::Types => HookResolveIdOutput::from_id(TYPES_ONLY),
            Target::Sdk => HookResolveIdOutput {
                external: Some(ResolvedExternal::Bool(true)),
                ..HookResolveIdOutput::from_id("@bylaw/sdk")
            },
        };
        Ok(Some(output))
    }

    async fn load(&self, _context: SharedLoadPluginContext, args: &HookLoadArgs<'_>) -> HookLoadReturn {
        if args.id == TYPES_ONLY {
            let module_type = Some(ModuleType::Js);
            return Ok(Some(HookLoadOutput { code: "export {};".into(), module_type, ..HookLoadOutput::default() }));
        }
        if args.id.starts_with('\0') || args.id.contains("@oxc-project/") {
            return Ok(None);
        }
        let text = self.record(self.load_module(Path::new(args.id)))?;
        Ok(Some(HookLoadOutput { code: text.to_string().into(), ..HookLoadOutput::default() }))
    }

    async fn intro(&self, _context: &PluginContext, _args: &HookAddonArgs) -> HookInjectionOutputReturn {
        Ok(self.seen().names_global.then(|| INTRO.to_owned()))
    }

    fn register_hook_usage(&self) -> HookUsage {
        HookUsage::ResolveId | HookUsage::Load | HookUsage::Intro
    }
}
