//! One source file: read under a bound, parsed, and asked what it imports, what it exports and what it needs that the
//! engine does not have.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::diagnostics::OxcDiagnostic;
use oxc::parser::{ParseOptions, Parser, ParserReturn};
use oxc::semantic::{Semantic, SemanticBuilder};
use oxc::span::{GetSpan as _, SourceType, Span};
use oxc::syntax::module_record::{ExportImportName, ImportImportName, ModuleRecord};

use super::apart::apart;
use super::depth::{TOO_DEEP, UNCLEAR, too_deep_a_tree};
use super::diagnostics::{BundleError, Diagnostic};
use super::nesting::{Refusal, too_deep};

/// A policy and its helpers are kilobytes; bundled packages reach one megabyte.
pub const MAX_SOURCE_BYTES: u64 = 4 << 20;

/// What one module needs of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultUse {
    /// Its default export: then it is a part of this module, not a policy of its own.
    Taken,
    /// Some of its named exports, or only its effects.
    Left,
}

/// One `import … from`, `export … from` or `import("…")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub specifier: String,
    pub default_use: DefaultUse,
    /// Bytes of the specifier, quotes included.
    pub start: u32,
    pub end: u32,
}

/// A named import from `@bylaw/sdk`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdkName {
    pub name: String,
    pub start: u32,
    pub end: u32,
}

/// What is known of a source file that parses.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// In the order of the source, those for types only left out where the syntax says so.
    pub imports: Vec<Import>,
    /// What it takes from `@bylaw/sdk` and uses as more than a type.
    pub sdk_names: Vec<SdkName>,
    pub has_default_export: bool,
    /// `import` or `export` is used.
    pub has_module_syntax: bool,
    /// `require`, `module` or `__dirname` are used without being declared.
    pub uses_commonjs: bool,
    /// The first thing in it that the engine does not run.
    pub unsupported: Option<Unsupported>,
}

/// Valid syntax that a policy cannot use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported {
    pub start: u32,
    pub end: u32,
    pub what: &'static str,
    pub help: &'static str,
}

/// The text of a file, without a byte order mark.
pub fn read(path: &Path, shown: &str) -> Result<String, BundleError> {
    let unreadable = |reason: String| BundleError::Unreadable { file: shown.to_owned(), reason };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SOURCE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_SOURCE_BYTES {
        return Err(unreadable(format!("larger than {MAX_SOURCE_BYTES} bytes; split it, or bundle it smaller")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| unreadable(format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to())))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Parses `text`, whose path's extension says the language; `file` is the name that errors show. The error is the
/// first that the parser or the early errors of the language give.
pub fn scan(file: &str, path: &Path, text: &str) -> Result<Scan, BundleError> {
    apart(file, || scan_here(file, path, text))
}

/// [`scan`], by a caller that is [`apart`] already.
pub(super) fn scan_here(file: &str, path: &Path, text: &str) -> Result<Scan, BundleError> {
    let source_type = source_type(path);
    if let Some((offset, refusal)) = too_deep(text, source_type.is_typescript()) {
        let (message, help) = match refusal {
            Refusal::TooDeep => TOO_DEEP,
            Refusal::Unclear => UNCLEAR,
        };
        let diagnostic = Diagnostic::at_bytes(file, text, offset, offset + 1, message);
        return Err(BundleError::Syntax(Box::new(diagnostic.with_help(help))));
    }
    let allocator = Allocator::default();
    // webpack lets a script end early with `return`.
    let allow_return_outside_function = source_type.is_unambiguous();
    let options = ParseOptions { allow_return_outside_function, ..ParseOptions::default() };
    let parsed = Parser::new(&allocator, text, source_type).with_options(options).parse();
    let ParserReturn { program, module_record, diagnostics, panicked, .. } = parsed;
    if let Some(error) = diagnostics.errors().next() {
        return Err(syntax_error(file, text, error));
    }
    if panicked {
        return Err(BundleError::Syntax(Box::new(Diagnostic::general(format!("{file}: cannot be parsed")))));
    }
    let checked = SemanticBuilder::new().with_build_nodes(true).with_check_syntax_error(true).build(&program);
    if let Some(error) = checked.diagnostics.errors().next() {
        return Err(syntax_error(file, text, error));
    }
    let semantic = checked.semantic;
    if let Some(offset) = too_deep_a_tree(&semantic) {
        let diagnostic = Diagnostic::at_bytes(file, text, offset, offset + 1, TOO_DEEP.0);
        return Err(BundleError::Syntax(Box::new(diagnostic.with_help(TOO_DEEP.1))));
    }
    let unresolved = semantic.scoping().root_unresolved_references();
    let uses_commonjs =
        ["require", "module", "__dirname", "__filename"].iter().any(|name| unresolved.contains_key(*name));
    let mut scan = Scan {
        imports: imports(&module_record, text),
        sdk_names: sdk_names(&module_record, &semantic),
        has_default_export: exports_default(&module_record),
        has_module_syntax: module_record.has_module_syntax,
        uses_commonjs,
        ..Scan::default()
    };
    inspect_nodes(&semantic, &mut scan);
    Ok(scan)
}

pub(super) fn source_type(path: &Path) -> SourceType {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension {
        "ts" | "mts" | "cts" => SourceType::ts(),
        "mjs" => SourceType::mjs(),
        "cjs" => SourceType::cjs(),
        _ => SourceType::unambiguous(),
    }
}

fn syntax_error(file: &str, text: &str, error: &OxcDiagnostic) -> BundleError {
    let message = error.message.to_string();
    let mut diagnostic = match error.labels.first() {
        Some(label) => Diagnostic::at_bytes(file, text, label.offset(), label.offset() + label.len(), message),
        None => Diagnostic::general(format!("{file}: {message}")),
    };
    diagnostic.help = error.help.as_deref().map(str::to_owned);
    BundleError::Syntax(Box::new(diagnostic))
}

fn exports_default(record: &ModuleRecord<'_>) -> bool {
    let named_default = |entry: &oxc::syntax::module_record::ExportEntry<'_>| {
        !entry.is_type && entry.export_name.default_export_span().is_some()
    };
    record.local_export_entries.iter().any(named_default) || record.indirect_export_entries.iter().any(named_default)
}

fn imports(record: &ModuleRecord<'_>, text: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    for (specifier, requests) in &record.requested_modules {
        for request in requests.iter().filter(|request| !request.is_type) {
            let default_use = default_use(record, request.statement_span);
            imports.push(import(specifier.as_str(), default_use, request.span));
        }
    }
    for dynamic in &record.dynamic_imports {
        let span = dynamic.module_request;
        if let Some(specifier) = literal(text, span) {
            imports.push(import(specifier, DefaultUse::Taken, span));
        }
    }
    imports.sort_by_key(|import| import.start);
    imports
}

/// Names that are only used as types vanish with the types.
fn sdk_names(record: &ModuleRecord<'_>, semantic: &Semantic<'_>) -> Vec<SdkName> {
    let entries = record.import_entries.iter();
    let from_sdk = entries.filter(|entry| !entry.is_type && entry.module_request.name == "@bylaw/sdk");
    from_sdk
        .filter_map(|entry| {
            let (name, span) = match &entry.import_name {
                ImportImportName::Name(name) => (name.name.as_str(), name.span),
                ImportImportName::Default(span) => ("default", *span),
                ImportImportName::NamespaceObject => return None,
            };
            let local = semantic.scoping().get_root_binding(entry.local_name.name.as_str().into())?;
            let mut references = semantic.symbol_references(local);
            let is_used = references.any(|reference| !reference.is_type());
            is_used.then(|| SdkName { name: name.to_owned(), start: span.start, end: span.end })
        })
        .collect()
}

fn import(specifier: &str, default_use: DefaultUse, span: Span) -> Import {
    Import { specifier: specifier.to_owned(), default_use, start: span.start, end: span.end }
}

/// Whether the statement takes the default export of what it imports; a namespace holds it too.
fn default_use(record: &ModuleRecord<'_>, statement: Span) -> DefaultUse {
    let imported = record.import_entries.iter().filter(|entry| entry.statement_span == statement).any(|entry| {
        !entry.is_type
            && match &entry.import_name {
                ImportImportName::Default(_) | ImportImportName::NamespaceObject => true,
                ImportImportName::Name(name) => name.name == "default",
            }
    });
    let exported =
        record.indirect_export_entries.iter().filter(|entry| entry.statement_span == statement).any(|entry| {
            !entry.is_type
                && match &entry.import_name {
                    ExportImportName::All => true,
                    ExportImportName::Name(name) => name.name == "default",
                    ExportImportName::AllButDefault | ExportImportName::Null => false,
                }
        });
    if imported || exported { DefaultUse::Taken } else { DefaultUse::Left }
}

/// The text of a string literal without escapes; anything else is computed.
fn literal(text: &str, span: Span) -> Option<&str> {
    let written = text.get(span.start as usize..span.end as usize)?;
    let quote = written.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let inner = written.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains('\\')).then_some(inner)
}

fn inspect_nodes(semantic: &Semantic<'_>, scan: &mut Scan) {
    let nodes = semantic.nodes();
    for node in nodes.iter() {
        let found = match node.kind() {
            AstKind::AwaitExpression(_) => at_top_level(semantic, node.id()).then_some(TOP_LEVEL_AWAIT),
            AstKind::ForOfStatement(statement) if statement.r#await => {
                at_top_level(semantic, node.id()).then_some(TOP_LEVEL_AWAIT)
            }
            AstKind::ReturnStatement(_) if semantic.source_type().is_module() => {
                at_top_level(semantic, node.id()).then_some(TOP_LEVEL_RETURN)
            }
            AstKind::ImportExpression(expression) => {
                literal(semantic.source_text(), expression.source.span()).is_none().then_some(COMPUTED_IMPORT)
            }
            _ => None,
        };
        let start = node.kind().span().start;
        let is_first = scan.unsupported.is_none_or(|unsupported| start < unsupported.start);
        if let (Some((what, help)), true) = (found, is_first) {
            let length = if what == TOP_LEVEL_AWAIT.0 { 5 } else { 6 };
            scan.unsupported = Some(Unsupported { start, end: start + length, what, help });
        }
    }
}

const TOP_LEVEL_AWAIT: (&str, &str) = (
    "top-level await: a policy module is evaluated at once, when it is loaded",
    "move the await into the handler (`async validate(…) { … }`), or compute the value without it",
);
const TOP_LEVEL_RETURN: (&str, &str) = (
    "return outside of a function: a module has no caller to return to",
    "move it into the handler (`validate(…) { … }`)",
);
const COMPUTED_IMPORT: (&str, &str) = (
    "import() of a computed name: everything a policy runs is linked when it is loaded",
    "import each module by its name, and choose among them at run time",
);

fn at_top_level(semantic: &Semantic<'_>, node: oxc::semantic::NodeId) -> bool {
    !semantic.nodes().ancestor_kinds(node).any(|kind| {
        matches!(kind, AstKind::Function(_) | AstKind::ArrowFunctionExpression(_) | AstKind::StaticBlock(_))
    })
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
