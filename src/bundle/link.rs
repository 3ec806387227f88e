//! One script out of many modules: rolldown as a library, TypeScript taken out by oxc inside it.
//!
//! Reading, parsing and resolving are ours, through a plugin: so every error has a place and a mend, no `tsconfig.json`
//! changes anything, and packages and inline source link as files do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rolldown::{
    AttachDebugInfo, Bundler, BundlerOptions, CodeSplittingMode, CommentsOptions, EsModuleFlag, ExperimentalOptions,
    GeneratedCodeOptions, InputItem, LogLevel, OutputExports, OutputFormat, Platform, SourceMapType, StrictMode,
    TsConfig,
};
use rolldown_common::Output;
use rolldown_error::BatchedBuildDiagnostic;
use serde::{Deserialize, Serialize};

use super::apart::apart;
use super::diagnostics::{BundleError, Diagnostic, Place};
use super::hash::content_hash;
use super::modules::Modules;
use super::npm::{self, Lock, Options, Source};
use super::sources::{Packages, Sources};

/// The global that stands for `@bylaw/sdk` in every linked script.
pub const SDK_GLOBAL: &str = "__bylaw_sdk";

/// The language of inline source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    TypeScript,
    JavaScript,
}

impl Language {
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::TypeScript => "ts",
            Self::JavaScript => "js",
        }
    }
}

/// What a linked script evaluates to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The namespace object of the entry module; strict.
    Namespace,
    /// Nothing: it is run for its effects on the globals of a jsPolicy script.
    Effects,
}

/// A script and where it came from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Linked {
    /// A classic script; see the module's own documentation for its completion value.
    pub script: String,
    /// [`content_hash`] of the script.
    pub hash: String,
    /// Source map v3, with the sources in it.
    pub source_map: Option<String>,
    /// Every file of the author's that was read, the entry first; empty for inline source.
    pub inputs: Vec<PathBuf>,
    /// The modules of installed packages (`node_modules`) that were read.
    pub installed: Vec<PathBuf>,
    /// What the entry module exports.
    pub exports: Vec<String>,
}

/// Links the module in a file, with what it imports of the packages installed above it, or locked there.
pub fn link_file(entry: &Path) -> Result<Linked, BundleError> {
    match link_installed(entry)? {
        Ok(linked) => Ok(linked),
        Err(source) => Ok(npm::make(&source, &Options::load(entry.parent(), Lock::default())?)?.linked),
    }
}

/// [`link_file`], and for a module whose packages have to be fetched first what is to be bundled.
pub fn link_installed(entry: &Path) -> Result<Result<Linked, Source>, BundleError> {
    let entry = super::resolve::normalise(&std::path::absolute(entry).unwrap_or_else(|_| entry.to_owned()));
    if let Some(linked) = link(Sources::disk(Packages::NotHere), &entry, Shape::Namespace)? {
        return Ok(Ok(linked));
    }
    match npm::source_at(entry, None) {
        source @ Source::Locked { .. } => Ok(Err(source)),
        source => npm::make(&source, &Options::default()).map(|made| Ok(made.linked)),
    }
}

/// Links a module given as text, which may import no packages; `file` is the name that errors show.
pub fn link_inline(file: &str, text: &str, language: Language) -> Result<Linked, BundleError> {
    let (sources, entry) = Sources::inline(file, text, language, Packages::Refused);
    link_whole(sources, &entry, Shape::Namespace)
}

/// [`link_inline`], and `None` for a module that imports packages.
pub fn link_inline_here(file: &str, text: &str, language: Language) -> Result<Option<Linked>, BundleError> {
    let (sources, entry) = Sources::inline(file, text, language, Packages::NotHere);
    link(sources, &entry, Shape::Namespace)
}

/// Links `entry` apart from the caller, who may be inside an async runtime. `None` where it needs packages and
/// [`Packages::NotHere`] says that they are looked for elsewhere.
pub(super) fn link(sources: Sources, entry: &Path, shape: Shape) -> Result<Option<Linked>, BundleError> {
    let shown = sources.shown(entry);
    apart(&shown, || link_here(sources, entry, shape))
}

/// [`link`] where packages are either here or refused.
pub(super) fn link_whole(sources: Sources, entry: &Path, shape: Shape) -> Result<Linked, BundleError> {
    let shown = sources.shown(entry);
    let internal = || BundleError::Internal { file: shown, reason: "nobody looked for its packages".to_owned() };
    link(sources, entry, shape)?.ok_or_else(internal)
}

fn link_here(sources: Sources, entry: &Path, shape: Shape) -> Result<Option<Linked>, BundleError> {
    let shown = sources.shown(entry);
    let internal = |reason: String| BundleError::Internal { file: shown.clone(), reason };
    let modules = Arc::new(Modules::new(sources, entry, shape));
    let plugin: rolldown::plugin::__inner::SharedPluginable = Arc::clone(&modules) as _;
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| internal(error.to_string()))?;
    let options = options(entry, shape);
    let built = runtime.block_on(async {
        let mut bundler = Bundler::with_plugins(options, vec![plugin])?;
        bundler.generate().await
    });
    if modules.needs_packages() {
        return Ok(None);
    }
    // What the plugin refused is said better by the plugin than by the linker that stopped over it.
    if let Some(refused) = modules.take_error() {
        return Err(refused);
    }
    let output = built.map_err(|diagnostics| linker_error(&shown, &modules, &diagnostics))?;
    let mut chunks = output.assets.into_iter().filter_map(|asset| match asset {
        Output::Chunk(chunk) => Some(chunk),
        Output::Asset(_) => None,
    });
    let (Some(chunk), None) = (chunks.next(), chunks.next()) else {
        return Err(internal("it made something else than one script".to_owned()));
    };
    let source_map = chunk.map.as_ref().map(|map| {
        let mut map = map.clone();
        let chunk_sources: Vec<String> = map.get_sources().map(ToString::to_string).collect();
        let shown: Vec<String> = chunk_sources.iter().map(|source| modules.shown_in_map(source)).collect();
        map.set_sources(shown.iter().map(String::as_str));
        // As they were written, not as they were read by the linker.
        let written: Vec<Option<Arc<str>>> = chunk_sources.iter().map(|source| modules.written(source)).collect();
        map.set_source_contents(written.iter().map(Option::as_deref).collect());
        map.to_json_string()
    });
    let exports = chunk.exports.iter().map(ToString::to_string).collect();
    let hash = content_hash(&chunk.code);
    let (inputs, installed) = (modules.inputs(), modules.installed());
    Ok(Some(Linked { script: chunk.code.clone(), hash, source_map, inputs, installed, exports }))
}

fn options(entry: &Path, shape: Shape) -> BundlerOptions {
    let folder = entry.parent().unwrap_or(entry).to_owned();
    let (exports, strict) = match shape {
        Shape::Namespace => (OutputExports::Named, StrictMode::Always),
        Shape::Effects => (OutputExports::Auto, StrictMode::Auto),
    };
    let globals = [("@bylaw/sdk".to_owned(), SDK_GLOBAL.to_owned())];
    BundlerOptions {
        input: Some(vec![InputItem { name: Some("policy".to_owned()), import: entry.to_string_lossy().into_owned() }]),
        cwd: Some(folder),
        dir: Some(".".to_owned()),
        platform: Some(Platform::Neutral),
        format: Some(OutputFormat::Iife),
        exports: Some(exports),
        strict: Some(strict),
        globals: Some(globals.into_iter().collect::<std::collections::HashMap<_, _, _>>().into()),
        es_module: Some(EsModuleFlag::Never),
        generated_code: Some(GeneratedCodeOptions { symbols: false }),
        sourcemap: Some(SourceMapType::Hidden),
        code_splitting: Some(CodeSplittingMode::Bool(false)),
        comments: Some(CommentsOptions { legal: false, annotation: false, jsdoc: false }),
        // Packages choose by it between checks for developers and speed, and fail without it.
        define: Some([("process.env.NODE_ENV".to_owned(), "\"production\"".to_owned())].into_iter().collect()),
        // Paths of the machine have no place in a script whose hash names the revision.
        experimental: Some(ExperimentalOptions {
            attach_debug_info: Some(AttachDebugInfo::None),
            ..ExperimentalOptions::default()
        }),
        tsconfig: Some(TsConfig::Auto(false)),
        log_level: Some(LogLevel::Silent),
        ..BundlerOptions::default()
    }
}

fn linker_error(shown: &str, modules: &Modules, diagnostics: &BatchedBuildDiagnostic) -> BundleError {
    let Some(first) = diagnostics.first() else {
        return BundleError::Internal { file: shown.to_owned(), reason: "it failed without a reason".to_owned() };
    };
    let rendered = first.to_diagnostic();
    let message = first.to_string();
    let located = rendered.get_primary_location().and_then(|(_, line, column, _)| {
        let (file, text) = modules.source_of(&first.id()?)?;
        let line = u32::try_from(line).ok()?;
        let column = u32::try_from(column).ok()? + 1;
        Some(Diagnostic::at_place(Place { file, line, column }, &text, message.clone()))
    });
    let diagnostic = located.unwrap_or_else(|| Diagnostic::general(format!("{shown}: {message}")));
    BundleError::Link(Box::new(diagnostic))
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
