//! A source read with its meaning: which policies it declares, and what its expressions are of a request.

mod bindings;
mod declared;
mod methods;
mod value;

use std::path::Path;
use std::sync::Arc;

use oxc::allocator::Allocator;
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::{Semantic, SemanticBuilder};
use oxc::span::SourceType;

use crate::bundle::{BundleError, apart, scan};
use crate::policy::PolicySpec;

pub(super) use declared::{Declared, entries, property, string_of};
pub(super) use methods::{kind_asked, method};
pub(super) use value::{HostFunction, MAX_DEPTH, Part, Value, Values, What};

use super::source::{Language, Source};

/// A parsed source.
pub(super) struct Code<'s, 'a> {
    pub source: &'s Source,
    pub semantic: &'s Semantic<'a>,
    pub declared: &'s [Declared<'a>],
    pub values: Values<'s, 'a>,
}

/// What is in force of the policies of a source: looked up by name, or where one is alone without it.
pub(super) struct Specs<'c>(pub &'c [Arc<PolicySpec>]);

impl Specs<'_> {
    fn of(&self, name: Option<&str>, policies: usize) -> Option<Arc<PolicySpec>> {
        let named = name.and_then(|name| self.0.iter().find(|spec| *spec.name == *name));
        let only = || self.0.first().filter(|_| policies == 1 && self.0.len() == 1);
        named.or_else(only).cloned()
    }
}

/// Parses a source and looks at it.
///
/// # Errors
/// Where it cannot be parsed.
pub(super) fn look<T: Send>(
    source: &Source,
    specs: &Specs<'_>,
    look: impl FnOnce(&Code<'_, '_>) -> T + Send,
) -> Result<T, BundleError> {
    // Says what is wrong, and refuses what nests too deeply for a parser.
    let path = if source.places.is_some() { Path::new(inline_name(source.language)) } else { source.path.as_path() };
    scan(&source.shown, path, &source.code)?;
    apart(&source.shown, || {
        let allocator = Allocator::default();
        let source_type = match path.extension().and_then(|extension| extension.to_str()) {
            Some("ts" | "mts" | "cts") => SourceType::ts(),
            Some("mjs") => SourceType::mjs(),
            _ => SourceType::unambiguous(),
        };
        let allow_return_outside_function = source.language == Language::Script;
        let options = ParseOptions { allow_return_outside_function, ..ParseOptions::default() };
        let parsed = Parser::new(&allocator, &source.code, source_type).with_options(options).parse();
        let built = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program);
        let semantic = &built.semantic;
        let declared = declared::find(source, semantic, specs);
        let values = Values::new(source, semantic, &declared);
        Ok(look(&Code { source, semantic, declared: &declared, values }))
    })
}

const fn inline_name(language: Language) -> &'static str {
    match language {
        Language::Module => "policy.ts",
        Language::Script => "policy.js",
    }
}
